start((show) => {
  showRuns();
  showTotals();
  showRemarks();
  showTemplates(show);
}, showMatrix);
