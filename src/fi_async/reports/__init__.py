"""What is made of outcomes: figures, pages, comparisons and gates. Sends nothing."""
