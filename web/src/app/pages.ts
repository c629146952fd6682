/** The pages, in the order of the navigation. Each is loaded when it is first opened. */
import { HeartPulse } from 'lucide-react'
import { type ComponentType, lazy } from 'react'
import type { Place } from './router.tsx'

/** A page receives what of the address is behind its own path. */
export interface PageProps {
  readonly place: Place
}

export interface PageEntry {
  /** First segment of the address. */
  readonly path: string
  readonly title: string
  readonly icon: ComponentType<{ readonly 'aria-hidden'?: 'true' }>
  readonly component: ComponentType<PageProps>
}

export const pages: readonly PageEntry[] = [
  { path: 'health', title: 'Health', icon: HeartPulse, component: lazy(() => import('../pages/health/health-page.tsx')) },
]

/** @returns the page of an address; the first one for an address that has none */
export function pageOf({ segments }: Place): PageEntry {
  return pages.find(({ path }) => path === segments[0]) ?? pages[0]!
}
