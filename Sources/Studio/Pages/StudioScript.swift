/// The studio's one script: news of a page, and images that are dropped on it. Every page works without it.
enum StudioScript {
    static let path = "/assets/studio.js"

    static let text = """
        "use strict";
        // Puts new parts into the page, by their ids; what was in focus or scrolled stays so.
        function show(parts) {
            for (const [id, html] of Object.entries(parts)) {
                const part = document.getElementById(id);
                if (!part) continue;
                const boxes = () => [...part.querySelectorAll(".wide")];
                const left = boxes().map(box => box.scrollLeft), focus = boxes().indexOf(document.activeElement);
                part.innerHTML = html;
                boxes().forEach((box, place) => { box.scrollLeft = left[place] || 0; });
                if (focus >= 0 && boxes()[focus]) boxes()[focus].focus({preventScroll: true});
            }
        }
        const live = document.querySelector("[data-events]");
        if (live) {
            const events = new EventSource(live.dataset.events);
            live.textContent = "Live: this page changes as there is news.";
            events.onmessage = event => show(JSON.parse(event.data));
            events.addEventListener("end", () => {
                events.close();
                live.textContent = "All news is here.";
                for (const part of document.querySelectorAll("[data-until-end]")) part.remove();
            });
            events.onerror = () => {
                if (events.readyState === EventSource.CLOSED) live.textContent = "Reload to see news.";
            };
            addEventListener("pagehide", () => events.close());
        }
        for (const form of document.querySelectorAll("form[data-drop]")) {
            const input = form.querySelector("input[type=file]"), answer = document.getElementById("answer");
            const send = async () => {
                if (!input.files.length) return;
                answer.textContent = "Looking at it …";
                try {
                    const response = await fetch(
                        form.action, {method: "POST", body: new FormData(form), headers: {Accept: "application/json"}});
                    const result = await response.json();
                    if (result.parts) show(result.parts);
                    else answer.textContent = result.error;
                } catch { answer.textContent = "No answer came: is the program still running?"; }
            };
            form.addEventListener("submit", event => { event.preventDefault(); send(); });
            input.addEventListener("change", send);
            for (const name of ["dragover", "dragleave", "drop"]) {
                form.addEventListener(name, event => {
                    event.preventDefault();
                    form.classList.toggle("over", name === "dragover");
                    if (name === "drop" && event.dataTransfer.files.length) {
                        input.files = event.dataTransfer.files;
                        send();
                    }
                });
            }
        }

        """
}
