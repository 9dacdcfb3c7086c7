// A button that copies a block of code: of programs and commands, not of what they print.
document.addEventListener("DOMContentLoaded", () => {
  if (!navigator.clipboard) return; // a page opened from a file, or an old browser
  for (const block of document.querySelectorAll(".highlight")) {
    if (block.closest(".highlight-none, .highlight-text, .testoutput")) continue;
    const button = document.createElement("button");
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this block");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent.trimEnd() + "\n");
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    block.append(button);
  }
});
