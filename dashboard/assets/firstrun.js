// A log file that is dropped onto the page, sent in parts; what became of it is told where it was dropped.
(function () {
  "use strict";
  var own = window.gatewatch = window.gatewatch || {};
  var PART = 510 * 1024;
  function zone(target) { return target.closest && target.closest(".drop-zone"); }
  function tell(box, text, wrong) {
    var line = box.querySelector(".drop-said");
    line.className = "drop-said" + (wrong ? " wrong" : "");
    line.textContent = own.plain(text);
  }
  function encoded(bytes) {
    var text = "";
    for (var at = 0; at < bytes.length; at += 8192) text += String.fromCharCode.apply(null, bytes.subarray(at, at + 8192));
    return window.btoa(text);
  }
  function part(file, at) {
    return file.slice(at, at + PART).arrayBuffer().then(function (buffer) { return encoded(new Uint8Array(buffer)); });
  }
  function take(box, file) {
    if (box.dataset.busy) return;
    if (file.size > Number(box.dataset.most)) {
      tell(box, file.name + " is too large to be read here: use gatewatch ingest.", true);
      return;
    }
    box.dataset.busy = "yes";
    var upload = null;
    (function next(at) {
      var last = at + PART >= file.size;
      tell(box, last ? "Reading " + file.name + " …" : "Sending " + file.name + ": " + Math.round(100 * at / file.size) + " %");
      return part(file, at).then(function (data) {
        var body = { upload: upload, name: file.name.slice(0, 300), data: data, last: last };
        return own.send("POST", "/api/v1/uploads", body);
      }).then(function (found) {
        upload = found.upload;
        return last ? found : next(at + PART);
      });
    })(0).then(function (found) {
      var counts = found.accounting;
      if (found.read_before || (!counts.accepted && counts.duplicate)) {
        tell(box, file.name + " was read before: nothing is counted twice.");
        own.again();
        return;
      }
      if (!counts.accepted) {
        var why = found.problems[0] || "none of its " + counts.lines + " lines is an access log line that gatewatch knows";
        tell(box, "Nothing could be read: " + why + ".", true);
        return;
      }
      var said = counts.accepted.toLocaleString("en") + " of " + counts.lines.toLocaleString("en") + " lines of " + file.name +
        " were read" + (counts.rejected ? ", " + counts.rejected.toLocaleString("en") + " rejected" : "") + ". " +
        (found.looked ? found.findings + (found.findings === 1 ? " finding." : " findings.") : "gatewatch looks at them within a minute.");
      own.say(said, "keep");  // the page it was dropped onto goes away
      if (found.page && found.page !== "/") own.go(found.page);
      own.again();
    }).catch(function (error) { tell(box, error.message, true); }).finally(function () { delete box.dataset.busy; });
  }
  // ---- The demo's world: started, watched, taken out again.
  var DEMO = "/api/v1/demo-world";
  var NAMES = { writing: "Writing its logs", reading: "Reading them", looking: "Looking for findings" };
  function watchDemo(button) {
    window.fetch(DEMO).then(function (reply) { return reply.json(); }).then(function (found) {
      var box = document.querySelector(".demo-said");
      if (NAMES[found.state]) {
        if (box) {
          var share = Math.round(100 * found.share);
          box.textContent = "";
          var bar = document.createElement("progress");
          bar.max = 100;
          bar.value = share;
          bar.setAttribute("aria-label", "Loading the demo world");
          var line = document.createElement("p");
          line.className = "small";
          line.textContent = NAMES[found.state] + ": " + share + " %";
          box.appendChild(bar);
          box.appendChild(line);
        }
        window.setTimeout(function () { watchDemo(button); }, 700);
        return;
      }
      if (found.state === "failed") throw new Error("The demo world could not be loaded: " + found.said);
      if (found.state === "loaded") { own.say("The demo world is loaded: " + found.said, "good"); own.again(); }
    }).catch(function (error) {
      button.disabled = false;
      own.say(error.message, "wrong");
    });
  }
  document.addEventListener("click", function (event) {
    var load = event.target.closest(".demo-load"), take = event.target.closest(".demo-remove");
    if (load && !load.disabled) {
      load.disabled = true;
      own.send("POST", DEMO).then(function () { watchDemo(load); }).catch(function (error) {
        load.disabled = false;
        own.say(error.message, "wrong");
      });
    }
    if (take && !take.disabled) {
      if (take.dataset.sure !== "yes") {
        take.dataset.sure = "yes";
        take.textContent = "Really take it out, with its findings?";
        return;
      }
      take.disabled = true;
      own.send("DELETE", DEMO).then(function () {
        own.say("The demo world is gone.", "good");
        own.go("/");
        own.again();
      }).catch(function (error) { take.disabled = false; own.say(error.message, "wrong"); });
    }
  });
  ["dragover", "dragenter"].forEach(function (name) {
    document.addEventListener(name, function (event) {
      var box = zone(event.target);
      if (box) { event.preventDefault(); box.classList.add("over"); }
    });
  });
  document.addEventListener("dragleave", function (event) {
    var box = zone(event.target);
    if (box && !box.contains(event.relatedTarget)) box.classList.remove("over");
  });
  document.addEventListener("drop", function (event) {
    var box = zone(event.target);
    if (!box) return;
    event.preventDefault();
    box.classList.remove("over");
    if (event.dataTransfer.files.length) take(box, event.dataTransfer.files[0]);
  });
  document.addEventListener("click", function (event) {
    if (!event.target.closest(".drop-choose")) return;
    var box = zone(event.target);
    var input = document.createElement("input");
    input.type = "file";
    input.addEventListener("change", function () { if (input.files.length) take(box, input.files[0]); });
    input.click();
  });
})();
