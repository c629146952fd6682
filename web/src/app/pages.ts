/** The pages, by group, in the order of the navigation. Each is loaded when it is first opened. */
import {
  Activity,
  Blocks,
  BookOpen,
  Bot,
  Boxes,
  Brain,
  CalendarClock,
  FileCode,
  Folder,
  GitBranch,
  Globe,
  HeartPulse,
  KeyRound,
  ListChecks,
  LogIn,
  MessageSquare,
  Plug,
  Radio,
  ReceiptText,
  Rocket,
  ScrollText,
  Settings,
  SquareTerminal,
  Target,
  TextSearch,
  UserCog,
  UsersRound,
  Wallet,
  Workflow,
} from 'lucide-react'
import { type ComponentType, lazy } from 'react'
import type { PageProps, Place } from './router.tsx'

export const groups = ['Work', 'Extend', 'Guard', 'Inspect'] as const

export interface PageEntry {
  /** First segment of the address. */
  readonly path: string
  readonly title: string
  /** Where it stands in the navigation; absent: only the command palette and links lead to it. */
  readonly group?: (typeof groups)[number]
  readonly icon: ComponentType<{ readonly 'aria-hidden'?: 'true' }>
  readonly component: ComponentType<PageProps>
}

const work: readonly PageEntry[] = [
  { path: 'chat', title: 'Chat', icon: MessageSquare, component: lazy(() => import('../pages/chat/chat-page.tsx')) },
  { path: 'now', title: 'Now', icon: Activity, component: lazy(() => import('../pages/now/now-page.tsx')) },
  { path: 'files', title: 'Files', icon: Folder, component: lazy(() => import('../pages/files/files-page.tsx')) },
  { path: 'branches', title: 'Branches', icon: GitBranch, component: lazy(() => import('../pages/branches/branches-page.tsx')) },
  { path: 'goals', title: 'Goals', icon: Target, component: lazy(() => import('../pages/goals/goals-page.tsx')) },
  { path: 'memory', title: 'Memory', icon: Brain, component: lazy(() => import('../pages/memory/memory-page.tsx')) },
  { path: 'schedules', title: 'Schedules', icon: CalendarClock, component: lazy(() => import('../pages/schedules/schedules-page.tsx')) },
  { path: 'spaces', title: 'Spaces', icon: Boxes, component: lazy(() => import('../pages/spaces/spaces-page.tsx')) },
]

const extend: readonly PageEntry[] = [
  { path: 'models', title: 'Agents and models', icon: Bot, component: lazy(() => import('../pages/models/models-page.tsx')) },
  { path: 'definitions', title: 'Definitions', icon: FileCode, component: lazy(() => import('../pages/definitions/definitions-page.tsx')) },
  { path: 'workflows', title: 'Workflows', icon: Workflow, component: lazy(() => import('../pages/workflows/workflows-page.tsx')) },
  { path: 'skills', title: 'Skills', icon: BookOpen, component: lazy(() => import('../pages/skills/skills-page.tsx')) },
  { path: 'plugins', title: 'Plugins', icon: Blocks, component: lazy(() => import('../pages/plugins/plugins-page.tsx')) },
  { path: 'servers', title: 'MCP servers', icon: Plug, component: lazy(() => import('../pages/servers/servers-page.tsx')) },
  { path: 'others', title: 'Agents of others', icon: Globe, component: lazy(() => import('../pages/others/others-page.tsx')) },
]

const guard: readonly PageEntry[] = [
  { path: 'budgets', title: 'Budgets', icon: Wallet, component: lazy(() => import('../pages/budgets/budgets-page.tsx')) },
  { path: 'costs', title: 'Costs', icon: ReceiptText, component: lazy(() => import('../pages/costs/costs-page.tsx')) },
  { path: 'rules', title: 'Learned rules', icon: ListChecks, component: lazy(() => import('../pages/access/rules-page.tsx')) },
  { path: 'programs', title: 'Programs', icon: SquareTerminal, component: lazy(() => import('../pages/access/programs-page.tsx')) },
  { path: 'keys', title: 'Keys', icon: KeyRound, component: lazy(() => import('../pages/access/keys-page.tsx')) },
  { path: 'roles', title: 'Roles', icon: UsersRound, component: lazy(() => import('../pages/access/roles-page.tsx')) },
  { path: 'settings', title: 'Settings', icon: Settings, component: lazy(() => import('../pages/settings/settings-page.tsx')) },
]

const inspect: readonly PageEntry[] = [
  { path: 'journal', title: 'Journal', icon: ScrollText, component: lazy(() => import('../pages/journal/journal-page.tsx')) },
  { path: 'events', title: 'Events', icon: Radio, component: lazy(() => import('../pages/events/events-page.tsx')) },
  { path: 'logs', title: 'Logs', icon: TextSearch, component: lazy(() => import('../pages/logs/logs-page.tsx')) },
  { path: 'health', title: 'Health', icon: HeartPulse, component: lazy(() => import('../pages/health/health-page.tsx')) },
  { path: 'control', title: 'Users and control', icon: UserCog, component: lazy(() => import('../pages/control/control-page.tsx')) },
]

const ungrouped: readonly PageEntry[] = [
  { path: 'setup', title: 'Set up', icon: Rocket, component: lazy(() => import('../pages/setup/setup-page.tsx')) },
  { path: 'callback', title: 'Signing in', icon: LogIn, component: lazy(() => import('../pages/servers/server-login.tsx')) },
]

const inGroup = (group: PageEntry['group'] & string, entries: readonly PageEntry[]): readonly PageEntry[] =>
  entries.map((entry) => ({ ...entry, group }))

export const pages: readonly PageEntry[] = [
  ...inGroup('Work', work),
  ...inGroup('Extend', extend),
  ...inGroup('Guard', guard),
  ...inGroup('Inspect', inspect),
  ...ungrouped,
]

/** @returns the page of an address; the first one for an address that has none */
export function pageOf({ segments }: Place): PageEntry {
  return pages.find(({ path }) => path === segments[0]) ?? pages[0]!
}
