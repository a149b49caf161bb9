// SPDX-FileCopyrightText: 2026 The airflow-provider-music authors
// SPDX-License-Identifier: Apache-2.0
"use strict";

const main = document.getElementById("main");
const players = [...document.querySelectorAll("audio[data-take]")];
const byTake = (take) => players.find((player) => player.dataset.take === take);

// One at a time.
for (const player of players) {
  player.addEventListener("play", () => players.filter((other) => other !== player).forEach((other) => other.pause()));
}

// A and B: the other one goes on where this one is.
const compare = document.getElementById("compare");
if (compare) {
  const decks = [document.getElementById("deck-a"), document.getElementById("deck-b")];
  const says = document.getElementById("playing");
  let current = 0;

  const go = (from, to, label) => {
    const place = from ? from.currentTime : 0;
    const plays = !from || !from.paused;
    if (from) from.pause();
    const start = () => {
      to.currentTime = Math.min(place, Number.isFinite(to.duration) ? to.duration : place);
      if (plays) to.play();
    };
    if (to.readyState >= HTMLMediaElement.HAVE_METADATA) start();
    else {
      to.addEventListener("loadedmetadata", start, { once: true });
      to.load();
    }
    says.textContent = label;
  };

  const toggle = () => {
    const from = byTake(decks[current].value);
    current = 1 - current;
    const to = byTake(decks[current].value);
    if (to && to !== from) go(from, to, `${current ? "B" : "A"}: take ${to.dataset.take}`);
  };

  document.getElementById("switch").addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest && event.target.closest("input, select, textarea");
    if (event.key.toLowerCase() === "s" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) toggle();
  });
  compare.hidden = false;
}

for (const button of document.querySelectorAll("button.verify")) {
  button.addEventListener("click", async () => {
    const verdict = button.parentElement.querySelector(".verdict");
    button.disabled = true;
    verdict.textContent = "Reading the song …";
    try {
      const response = await fetch(button.dataset.url, { method: "POST" });
      const found = await response.json();
      if (!response.ok) verdict.textContent = found.detail;
      else verdict.textContent = found.ok ? "The file is what its manifest says." : found.problems.join("; ");
    } catch (error) {
      verdict.textContent = String(error);
    }
    button.disabled = false;
  });
}

// While a song is made: whether there is something new. A page on which something plays is not taken away.
const soonest = 2000;
const latest = 15000;
let pause = soonest;

const poll = async () => {
  let found = null;
  if (!document.hidden) {
    try {
      const response = await fetch(main.dataset.stateUrl, { headers: { Accept: "application/json" } });
      if (response.status === 401 || response.status === 403) return;
      if (response.ok) found = await response.json();
    } catch {
      // The server is away: asked again.
    }
  }
  if (found && found.sign !== main.dataset.sign) {
    if (players.every((player) => player.paused)) location.reload();
    else document.getElementById("newer").hidden = false;
    return;
  }
  if (found && found.progress) {
    const progress = document.getElementById("progress");
    if (progress.textContent !== found.progress) progress.textContent = found.progress;
  }
  if (found && !found.open) return;
  pause = Math.min(latest, pause * 1.1);
  setTimeout(poll, pause);
};

if (main.dataset.open === "1") setTimeout(poll, soonest);
