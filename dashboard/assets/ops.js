// Copies what stands beside a button.
(function () {
  "use strict";
  function old(text) {
    var box = document.createElement("textarea");
    box.value = text;
    box.style.position = "fixed";
    box.style.opacity = "0";
    document.body.appendChild(box);
    box.select();
    var done = document.execCommand("copy");
    box.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("not copied"));
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("button.copy");
    var from = button && button.parentElement.querySelector(".command");
    if (!from) return;
    // The clipboard is there only where the page came by https or from this machine.
    var way = navigator.clipboard ? navigator.clipboard.writeText(from.textContent) : old(from.textContent);
    way.then(function () { button.textContent = "Copied"; }, function () { button.textContent = "Not copied"; })
      .then(function () { window.setTimeout(function () { button.textContent = "Copy"; }, 2000); });
  });
})();
