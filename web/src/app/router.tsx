/** The address of the browser decides what is shown: one path for each page, what it shows of it behind that. */
import { type AnchorHTMLAttributes, type MouseEvent, type ReactNode, useMemo, useSyncExternalStore } from 'react'
import { basePath, ownAddress } from '../data/base-path.ts'

export interface Place {
  /** `/chat/0190…` → `['chat', '0190…']`, decoded. */
  readonly segments: readonly string[]
  readonly search: URLSearchParams
}

/** What the component of a page receives. */
export interface PageProps {
  readonly place: Place
}

const listeners = new Set<() => void>()
addEventListener('popstate', () => listeners.forEach((listener) => listener()))

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export function usePlace(): Place {
  const href = useSyncExternalStore(subscribe, ownAddress)
  return useMemo(() => placeOf(href), [href])
}

function placeOf(href: string): Place {
  const { pathname, searchParams } = new URL(href, 'http://page')
  return { segments: pathname.split('/').filter(Boolean).map(decode), search: searchParams }
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

/** @param to a path of the application, e.g. `/files?path=notes` */
export function navigate(to: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  if (to === ownAddress()) return
  if (replace) history.replaceState(null, '', basePath + to)
  else history.pushState(null, '', basePath + to)
  listeners.forEach((listener) => listener())
}

interface LinkProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'> {
  readonly to: string
  readonly children: ReactNode
}

/** A link inside the application. With a modifier it opens as any link does. */
export function Link({ to, children, onClick, ...rest }: LinkProps): ReactNode {
  const follow = (event: MouseEvent<HTMLAnchorElement>): void => {
    onClick?.(event)
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    navigate(to)
  }
  return (
    <a href={basePath + to} onClick={follow} {...rest}>
      {children}
    </a>
  )
}
