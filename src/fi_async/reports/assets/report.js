start((show) => {
  showRun();
  showTotals();
  showRemarks();
  showTemplates();
  showPace();
  showCauses((cause) => show({ cause }));
}, showCases);
