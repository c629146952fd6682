/** The pages, in the order of the navigation. Each is loaded when it is first opened. */
import { Activity, Bot, Brain, CalendarClock, Folder, HeartPulse, MessageSquare, Rocket, ScrollText, Settings, Wallet } from 'lucide-react'
import { type ComponentType, lazy } from 'react'
import type { PageProps, Place } from './router.tsx'

export interface PageEntry {
  /** First segment of the address. */
  readonly path: string
  readonly title: string
  readonly icon: ComponentType<{ readonly 'aria-hidden'?: 'true' }>
  readonly component: ComponentType<PageProps>
  /** Left out of the navigation; the command palette has it. */
  readonly isHidden?: true
}

export const pages: readonly PageEntry[] = [
  { path: 'chat', title: 'Chat', icon: MessageSquare, component: lazy(() => import('../pages/chat/chat-page.tsx')) },
  { path: 'now', title: 'Now', icon: Activity, component: lazy(() => import('../pages/now/now-page.tsx')) },
  { path: 'journal', title: 'Journal', icon: ScrollText, component: lazy(() => import('../pages/journal/journal-page.tsx')) },
  { path: 'files', title: 'Files', icon: Folder, component: lazy(() => import('../pages/files/files-page.tsx')) },
  { path: 'memory', title: 'Memory', icon: Brain, component: lazy(() => import('../pages/memory/memory-page.tsx')) },
  { path: 'schedules', title: 'Schedules', icon: CalendarClock, component: lazy(() => import('../pages/schedules/schedules-page.tsx')) },
  { path: 'budgets', title: 'Budgets', icon: Wallet, component: lazy(() => import('../pages/budgets/budgets-page.tsx')) },
  { path: 'models', title: 'Agents and models', icon: Bot, component: lazy(() => import('../pages/models/models-page.tsx')) },
  { path: 'health', title: 'Health', icon: HeartPulse, component: lazy(() => import('../pages/health/health-page.tsx')) },
  { path: 'settings', title: 'Settings', icon: Settings, component: lazy(() => import('../pages/settings/settings-page.tsx')) },
  { path: 'setup', title: 'Set up', icon: Rocket, component: lazy(() => import('../pages/setup/setup-page.tsx')), isHidden: true },
]

/** @returns the page of an address; the first one for an address that has none */
export function pageOf({ segments }: Place): PageEntry {
  return pages.find(({ path }) => path === segments[0]) ?? pages[0]!
}
