/**
 * For browsers that can: links and forms of a page are followed without laying out the whole document anew. Without
 * this script everything works the same. Nothing of a page is kept in the browser's storage; Back asks the server.
 */
import library from 'htmx.org'

// The package is declared as CommonJS; what the bundler takes is its ES module.
const htmx = library as unknown as typeof library.default

const canFollow = 'fetch' in window && 'pushState' in history && 'noModule' in HTMLScriptElement.prototype

/** What screen readers say after a page came: its status, or else its heading. */
const announce = () => {
  const status = document.querySelector<HTMLElement>('[role=status]')
  const heading = document.querySelector<HTMLElement>('h1')
  const [happened] = status?.children ?? []
  if (status && happened) {
    // A live region speaks of what changes in it, not of what it came with.
    const content = [...status.childNodes]
    status.replaceChildren()
    setTimeout(() => status.replaceChildren(...content), 50)
  }
  if (!heading) return
  heading.tabIndex = -1
  heading.focus()
}

/** What is a page is followed; what is a file, or sends files, is left to the browser. */
const follow = () => {
  for (const each of document.querySelectorAll('a,form'))
    each.setAttribute('hx-boost', String(!each.matches('[download],[type],[enctype]')))
  htmx.process(document.body)
}

const begin = () => {
  follow()
  document.addEventListener('htmx:afterSettle', () => {
    follow()
    announce()
  })
  document.addEventListener('htmx:beforeSwap', (event) => {
    const { detail } = event as CustomEvent<{ xhr: XMLHttpRequest; shouldSwap: boolean }>
    // Octets of a mail are never laid out as a page of ours.
    if (!/^text\/html\b/.test(detail.xhr.getResponseHeader('content-type') ?? '')) detail.shouldSwap = false
  })
  const busy = (is: boolean) => () => document.body.setAttribute('aria-busy', String(is))
  document.addEventListener('htmx:beforeRequest', busy(true))
  document.addEventListener('htmx:afterRequest', busy(false))
  // htmx notes the path of the page there; nothing at all is to stay behind.
  const forget = () => sessionStorage.clear()
  for (const moment of ['htmx:pushedIntoHistory', 'htmx:replacedInHistory', 'htmx:afterSettle'])
    document.addEventListener(moment, forget)
  forget()
}

if (canFollow) {
  // At once: htmx looks at its settings when the document is read.
  Object.assign(htmx.config, {
    historyCacheSize: 0,
    refreshOnHistoryMiss: true,
    includeIndicatorStyles: false,
    allowEval: false,
    allowScriptTags: false,
    selfRequestsOnly: true,
    scrollIntoViewOnBoost: true,
    // Refusals are pages too.
    responseHandling: [
      { code: '204', swap: false },
      { code: '.*', swap: true },
    ],
  })
  if (document.readyState === 'complete') begin()
  else addEventListener('load', begin)
}
