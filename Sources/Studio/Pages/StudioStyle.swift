import Experiments

/// The rules of the studio's pages: those of reports, and what only these have.
enum StudioStyle {
    static let path = "/assets/studio.css"

    static let text =
        PageStyle.page + """

            main{padding-bottom:3rem}h1{overflow-wrap:anywhere}
            .top{padding-top:.75rem;display:flex;gap:1rem;flex-wrap:wrap}
            form{margin:.75rem 0}form.line{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center}
            input,button,select{font:inherit;color:var(--text);background:var(--card);border:1px solid var(--line);border-radius:.3rem;padding:.35rem .7rem;max-width:100%}
            button{border-color:var(--accent);cursor:pointer}input[type=checkbox]{width:1.1rem;height:1.1rem}
            .state::before{content:"";display:inline-block;width:.6rem;height:.6rem;border-radius:50%;margin-right:.4rem;background:var(--soft)}
            .done::before{background:var(--s2)}.training::before{background:var(--s0)}.failed::before{background:var(--s1);border-radius:0}
            table.runs{width:100%}table.runs td,table.runs th{text-align:left;white-space:normal;padding:.25rem .45rem}
            table.runs tbody th{overflow-wrap:anywhere;min-width:10rem}
            table.runs td.number,table.runs th.number{text-align:right}table.runs td.number,.state{white-space:nowrap}
            thead th a{color:var(--text);text-decoration:none}thead th a:hover{text-decoration:underline}
            dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.5rem 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
            pre{background:var(--card);padding:.75rem;overflow-x:auto;font-size:.85rem;margin:.5rem 0}
            .drop{border:2px dashed var(--line);border-radius:.5rem;padding:1rem;background:var(--card)}.over{border-color:var(--accent)}
            .answer{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
            .answer>img,.made img{width:8rem;height:8rem;object-fit:contain;background:#fff;border:1px solid var(--line)}
            .bars{list-style:none;padding:0;margin:0;flex:1 1 16rem;min-width:0}
            .bars li{display:grid;grid-template-columns:minmax(4rem,8rem) 1fr 4rem;gap:.5rem;align-items:center}
            .bars meter{width:100%;height:.9rem}.bars span{overflow-wrap:anywhere}
            .made{display:flex;flex-wrap:wrap;gap:1rem;padding:0;list-style:none}.made li{width:8.5rem;font-size:.85rem;overflow-wrap:anywhere}
            .made .chosen img{outline:3px solid var(--accent)}.problem{border-left:.3rem solid var(--s1);padding:.25rem .75rem}
            @media (max-width:44rem){
            table.runs thead{position:absolute;left:-99rem}table.runs,table.runs tbody,table.runs tr,table.runs td,table.runs th{display:block}
            table.runs td{overflow-wrap:anywhere}table.runs tbody th{min-width:0}
            table.runs tr{border:1px solid var(--line);border-radius:.4rem;margin:.6rem 0;padding:.4rem}
            table.runs td,table.runs th,table.runs td.number{border:0;padding:.1rem .4rem;text-align:left}
            table.runs td[data-label]::before{content:attr(data-label) ": ";color:var(--soft)}
            dl{grid-template-columns:minmax(5.5rem,auto) 1fr}}

            """
}
