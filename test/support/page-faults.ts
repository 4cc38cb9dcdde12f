/** Plain rules for each page, as a real browser lays it out. */
import type { Page } from 'playwright-core'

/** What is wrong with a page, in words: layout, names, sizes of targets (WCAG 2.2 SC 2.5.8), contrast (SC 1.4.3). */
export const faults = async (page: Page): Promise<string[]> => {
  // what the compiler calls in functions that are sent to the page
  await page.evaluate('globalThis.__name ??= (what) => what')
  return page.evaluate(() => {
    const found: string[] = []
    const all = <E extends HTMLElement>(selector: string) => [...document.querySelectorAll<E>(selector)]
    const nameOf = (element: HTMLElement) =>
      `${element.tagName} "${(element.textContent || element.getAttribute('name') || '').trim().slice(0, 30)}"`
    if (document.documentElement.scrollWidth > window.innerWidth)
      found.push(`scrolls sideways: ${document.documentElement.scrollWidth} of ${window.innerWidth}`)
    if (all('h1').length !== 1) found.push(`${all('h1').length} h1`)
    if (!document.documentElement.lang) found.push('no lang')
    if (!document.title) found.push('no title')
    for (const control of all<HTMLInputElement>('input:not([type=hidden]),select,textarea')) {
      const [label] = control.labels ?? []
      const text = label?.textContent?.trim()
      if (!label || !text) found.push(`${nameOf(control)} has no visible label`)
      else if (control.type !== 'checkbox') {
        const range = document.createRange()
        range.setStart(label, 0)
        range.setEndBefore(control)
        if (!range.toString().trim()) found.push(`${nameOf(control)} stands before its label`)
      }
    }
    const targets = all('a,button,input:not([type=hidden]),select,textarea').map((element) => ({
      element,
      box: element.getBoundingClientRect(),
    }))
    for (const { element, box } of targets) {
      if (box.height >= 24 && box.width >= 24) continue
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]
      for (const other of targets) {
        if (other.element === element) continue
        const dx = Math.max(other.box.left - x, 0, x - other.box.right)
        const dy = Math.max(other.box.top - y, 0, y - other.box.bottom)
        if (Math.hypot(dx, dy) < 11.5)
          found.push(`${nameOf(element)} is small, and ${nameOf(other.element)} too near`)
      }
      if (/BUTTON|SELECT|TEXTAREA/.test(element.tagName) && box.height < 24)
        found.push(`${nameOf(element)} is ${box.height} px high`)
    }
    const buttons = targets.filter(({ element }) => element.tagName === 'BUTTON')
    for (const { element, box } of buttons)
      for (const { element: other, box: below } of buttons) {
        const isUnder = below.top >= box.bottom - 1 && below.left < box.right && box.left < below.right
        if (isUnder && below.top - box.bottom < 4)
          found.push(`${nameOf(element)} touches ${nameOf(other)} below it`)
      }
    const channels = (colour: string) => (colour.match(/[\d.]+/g) ?? []).map(Number)
    const luminance = (colour: string) => {
      const [r = 0, g = 0, b = 0] = channels(colour).map((value) => {
        const part = value / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? 'rgb(18,18,18)' : 'rgb(255,255,255)'
    const behind = (element: HTMLElement | null): string => {
      if (!element) return canvas
      const colour = getComputedStyle(element).backgroundColor
      return channels(colour)[3] === 0 ? behind(element.parentElement) : colour
    }
    for (const element of all('body *')) {
      if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim())) continue
      const pair = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort(
        (a, b) => b - a,
      )
      const contrast = (pair[0]! + 0.05) / (pair[1]! + 0.05)
      if (contrast < 4.5) found.push(`${nameOf(element)} has contrast ${contrast.toFixed(1)}`)
    }
    return found
  })
}
