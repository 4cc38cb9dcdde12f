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

/** The letter that is being written, and the end of the wait before the server is told of it. */
let letter: { form: HTMLFormElement; isChanged: boolean; timer: number } | null = null

/** Keeps the letter on the server, as any button of its form would, so that Back and a closed tab find it again. */
const keep = () => {
  if (!letter?.isChanged) return
  letter.isChanged = false
  clearTimeout(letter.timer)
  const body = new FormData(letter.form)
  body.delete('file') // of a file the browser itself keeps the name
  body.set('a', 'keep')
  const { length } = String(body.get('text'))
  // What is to outlive its page may have 64 KiB (Fetch §4.6).
  fetch('/c', { method: 'POST', body, keepalive: length < 15_000 }).catch(() => {
    if (letter) letter.isChanged = true
  })
}

/** A page with a letter gets an address by which this session finds it again. */
const watchLetter = () => {
  const form = document.querySelector<HTMLFormElement>('form[action="/c"]')
  const ticket = form?.querySelector<HTMLInputElement>('[name=park]')?.value
  letter = null
  if (!form || !ticket) return
  const mine = { form, isChanged: false, timer: 0 }
  letter = mine
  const address = new URL(location.pathname === '/c' ? location.href : '/c', location.href)
  address.searchParams.set('n', ticket.slice(0, 12))
  history.replaceState(history.state, '', address)
  form.addEventListener('input', () => {
    mine.isChanged = true
    clearTimeout(mine.timer)
    mine.timer = window.setTimeout(keep, keepAfterMs)
  })
  form.addEventListener('submit', () => {
    mine.isChanged = false
    clearTimeout(mine.timer)
  })
}
const keepAfterMs = 1_000

const begin = () => {
  follow()
  watchLetter()
  document.addEventListener('htmx:beforeRequest', keep)
  addEventListener('pagehide', keep)
  document.addEventListener('visibilitychange', keep)
  document.addEventListener('htmx:afterSettle', () => {
    follow()
    watchLetter()
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
