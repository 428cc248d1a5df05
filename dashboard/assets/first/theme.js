// Runs before anything is painted: the colour scheme of the last visit, or the one that the address names.
(function () {
  "use strict";
  var key = "mantine-color-scheme-value"; // where Mantine keeps it
  var named = new URLSearchParams(window.location.search).get("theme");
  var root = document.documentElement;
  try {
    if (named === "dark" || named === "light") localStorage.setItem(key, named);
    var stored = localStorage.getItem(key);
  } catch (error) {
    stored = named; // no storage: the address, or the system, decides
  }
  if (stored !== "dark" && stored !== "light") {
    stored = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  root.setAttribute("data-mantine-color-scheme", stored);
  root.setAttribute("data-ag-theme-mode", stored);
  new MutationObserver(function () {
    var scheme = root.getAttribute("data-mantine-color-scheme");
    if (root.getAttribute("data-ag-theme-mode") !== scheme) root.setAttribute("data-ag-theme-mode", scheme);
  }).observe(root, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
})();
