/// The looks of a report: light and dark as the reader's system says, on paper always light.
package enum PageStyle {
    /// Colours of series that stay apart for most kinds of colour vision, by a class `s0`, `s1` …; the second is for dark grounds.
    static let series = [
        ("#0072b2", "#56b4e9"), ("#c44f00", "#ff9d5c"), ("#00795a", "#3fd0a4"), ("#a8437f", "#e79ac6"),
        ("#8a6100", "#f0c04a"), ("#555555", "#bdbdbd"), ("#6b4a8a", "#c3a6e6"), ("#8c564b", "#d9a79b"),
    ]

    /// Colours of everything, as variables.
    private static func variables(dark: Bool) -> String {
        let own =
            dark
            ? "--ground:#15181c;--card:#1d2126;--text:#e8eaed;--soft:#a9b0b8;--line:#3a4048;--accent:#56b4e9"
            : "--ground:#ffffff;--card:#f6f7f9;--text:#1a1d21;--soft:#565d66;--line:#d5d9de;--accent:#0072b2"
        return own + series.enumerated().map { ";--s\($0):\(dark ? $1.1 : $1.0)" }.joined()
    }

    /// The rules of plots: what a plot looks like in a page.
    static let plot =
        """
        svg text{font:12px system-ui,sans-serif;fill:var(--text)}svg .soft{fill:var(--soft)}
        svg .axis{stroke:var(--soft);stroke-width:1}svg .grid{stroke:var(--line);stroke-width:1}
        svg .hole{fill:var(--ground)}
        svg .zero{stroke:var(--text);stroke-width:1;stroke-dasharray:3 3}
        """
        + series.indices.map {
            "svg .s\($0){stroke:var(--s\($0));stroke-width:2;fill:none}svg .f\($0){fill:var(--s\($0));stroke:none}"
        }.joined()

    /// The darkness of a cell by its share, in classes: a policy that forbids styles in attributes leaves them.
    private static let shares = (0...shareSteps).map {
        "td.v\($0){--v:\(Double($0) / Double(shareSteps))}"
    }.joined()
    private static let shareSteps = 20

    /// The classes of a cell that shows a share, 0…1.
    static func shareClass(_ share: Double) -> String {
        "share v\(min(shareSteps, max(0, Int((share * Double(shareSteps)).rounded()))))"
    }

    /// The rules of the page.
    package static let page =
        """
        :root{color-scheme:light dark;\(variables(dark: false))}
        @media (prefers-color-scheme:dark){:root{\(variables(dark: true))}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,sans-serif}
        main,header,nav{max-width:68rem;margin:0 auto;padding:0 1rem}
        h1{font-size:1.7rem;margin:1.5rem 0 .25rem}h2{font-size:1.25rem;margin:2.5rem 0 .5rem;border-top:1px solid var(--line);padding-top:1rem}
        h3{font-size:1rem;margin:1.5rem 0 .25rem}
        p{max-width:44rem}.soft{color:var(--soft)}a{color:var(--accent)}
        nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;padding:0}
        .skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:var(--ground);padding:.5rem}
        .wide{overflow-x:auto}:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
        table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.5rem 0}
        th,td{padding:.25rem .75rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
        th:first-child,td:first-child{text-align:left}th{font-weight:600}
        td.share{background:color-mix(in srgb,var(--accent) calc(var(--v)*45%),transparent)}\(shares)
        figure{margin:1rem 0}figcaption{color:var(--soft);max-width:44rem}svg{width:100%;min-width:36rem;max-width:45rem;height:auto}
        td.seen{text-align:left;vertical-align:top;white-space:normal;font-size:.85rem;max-width:9rem}
        td.seen img{width:7rem;height:7rem;object-fit:contain;background:#fff;border:1px solid var(--line);display:block}
        .images{display:flex;flex-wrap:wrap;gap:1rem;padding:0;list-style:none}
        .images li{width:8.5rem;font-size:.85rem;overflow-wrap:anywhere}
        .images img{width:8rem;height:8rem;object-fit:contain;background:#fff;border:1px solid var(--line);image-rendering:auto;display:block}
        @media print{:root{\(variables(dark: false))}nav,.skip{display:none}figure,tr,li{break-inside:avoid}
        h2,h3,figcaption,p.soft{break-after:avoid}.wide{overflow:visible}svg{min-width:0}
        table{font-size:8pt}th,td{padding:.1rem .3rem;white-space:normal}}

        """ + plot

    /// The rules of a plot in a file of its own: always light, without variables, which not every program knows.
    static let standalone = series.enumerated().reduce(
        plot.replacing("var(--text)", with: "#1a1d21").replacing("var(--soft)", with: "#565d66")
            .replacing("var(--line)", with: "#d5d9de").replacing("var(--ground)", with: "#ffffff").replacing(
                "system-ui", with: "DejaVu Sans")
    ) { $0.replacing("var(--s\($1.offset))", with: $1.element.0) }
}
