start((show) => {
  showRun();
  showTotals();
  showRemarks();
  showTemplates();
  showAgreements();
  showPace();
  showCauses((cause) => show({ cause }));
}, showCases);
