/** The guest's status in words, and what a conversation has read. */
import { failureSentences } from '../base/index.ts'
import { describeOrigin, type GuestStatus, parseOrigins, type SandboxStatus } from '../protocol/index.ts'
import { formatMoney, plainLine } from './terminal-text.ts'

export interface SandboxText {
  /** The tier, and whether files and commands are on. */
  readonly held: string
  /** Limits in force. */
  readonly limits: readonly string[]
  /** One line for each missing part or limit, with what to do about it. */
  readonly problems: readonly string[]
}

export function describeSandbox({ asked, tier, provider, files, shell, problem, limits, degraded }: SandboxStatus): SandboxText {
  const onOff = (what: string, isOn: boolean): string => `${what} ${isOn ? 'on' : 'off'}`
  const weaker = tier === asked ? '' : `, WEAKER than the configured ${asked}`
  const held = tier === 'none' ? 'missing' : tier === 'insecure' ? 'NONE (--insecure)' : `on (${tier} tier, ${provider}${weaker})`
  return {
    held: `${held}, ${onOff('files', files)}, ${onOff('shell', shell)}`,
    limits,
    problems: [...(problem === null ? [] : [failureSentences(problem)]), ...degraded.map((limit) => `not in force: ${limit}`)],
  }
}

/** @returns the rows of a table that `oxbow status` and `/status` share. */
export function statusRows(status: GuestStatus, storeFile: string): readonly (readonly string[])[] {
  const { held, limits, problems } = describeSandbox(status.sandbox)
  return [
    ['model', describeChain(status)],
    ['recorded', describeRecording(status)],
    ['store', status.store === 'file' ? storeFile : status.store],
    ...(status.store_warning === undefined ? [] : [['!', status.store_warning]]),
    ['embedder', status.embedder],
    ...(status.recalls === undefined ? [] : [['recalled', describeRecalls(status.recalls)]]),
    ...(status.isolated === undefined ? [] : [['isolated', describeIsolation(status.isolated)]]),
    ['sandbox', held],
    ...limits.map((limit, at) => [at === 0 ? 'limits' : '', limit]),
    ...problems.map((problem) => ['!', problem]),
    ...Object.entries(status.sandbox.lacking ?? {}).map(([profile, { why, hint }]) => ['not there', `${profile}, which ${why}. ${hint}`]),
    ...(status.notice === '' ? [] : [['notice', status.notice]]),
    ...(status.services ?? []).map(({ name, problem }) => ['!', `the service ${name} does not work: ${problem}`] as const),
    ...(status.read_only === null ? [] : [['READ-ONLY', `${status.read_only.message} ${status.read_only.hint}`]]),
  ]
}

/** @returns where the guest itself runs, apart from the sandbox of its commands */
function describeIsolation(isolated: boolean): string {
  return isolated ? 'yes: the guest runs in a container of its own without network' : 'no: the guest runs as your user'
}

function describeRecalls({ in_time: inTime, late }: NonNullable<GuestStatus['recalls']>): string {
  return `since the start: in time for ${inTime} turns, too late for ${late}; turns without a matching memory are not counted`
}

/** The offline interpreter as a model. */
const offlineLabel = 'offline/offline'

/** @returns whether the guest answers without a model */
export function isOffline({ model }: Pick<GuestStatus, 'model'>): boolean {
  return model === offlineLabel
}

/** @returns `provider/model` */
export function describeModel(status: Pick<GuestStatus, 'model'>): string {
  return isOffline(status) ? 'offline' : status.model
}

/** @returns the model and its fallbacks, in order. */
export function describeChain(status: Pick<GuestStatus, 'model' | 'fallback'>): string {
  return [describeModel(status), ...status.fallback].join(', then ')
}

export function describeRecording(status: Pick<GuestStatus, 'model' | 'recording'>): string {
  if (isOffline(status)) return 'no exchanges: no model is used'
  return status.recording === 'raw' ? 'raw exchanges, in the journal' : 'no raw exchanges, only messages and calls'
}

/** `output` of the call `budget.show`. */
export function costLines(output: unknown): string {
  const { session, user } = output as Partial<Record<'session' | 'user', Scope | null>>
  const line = (name: string, scope: Scope | null | undefined): readonly string[] => {
    if (scope === null || scope === undefined) return []
    const { microDollars = 0, tokens = 0 } = scope.spent ?? {}
    const money = scope.limit?.micro_dollars
    const cap = scope.limit?.tokens
    const of = (limit: string | null): string => (limit === null ? '' : ` of ${limit}`)
    return [
      `${name}: ${formatMoney(microDollars)}${of(money === null || money === undefined ? null : formatMoney(money))}, ` +
        `${tokens} tokens${of(cap === null || cap === undefined ? null : String(cap))}`,
    ]
  }
  return [...line('this session', session), ...line('altogether', user)].join('\n')
}

interface Scope {
  readonly spent?: { readonly microDollars?: number; readonly tokens?: number }
  readonly limit?: { readonly micro_dollars?: number | null; readonly tokens?: number | null }
}

/** A label of a conversation, and where the data comes from that has it, the newest first. */
export interface LabelBadge {
  readonly label: string
  readonly from: readonly string[]
}

/** Characters of an origin in a badge. */
const maxOriginChars = 48

/** @param labelled `output` of `flow.show` for a session, or an agent. @returns its labels by which sinks are judged; without control characters */
export function labelBadges(labelled: unknown): readonly LabelBadge[] {
  const { labels = [], origins, declassified = [] } = labelled as Partial<Record<'labels' | 'declassified', readonly string[]>> & Labelled
  const all = parseOrigins(origins)
  return labels
    .filter((label) => !declassified.includes(label))
    .map((label) => ({
      label,
      from: all
        .filter((origin) => origin.label === label)
        .map(({ from }) => plainLine(describeOrigin(from), maxOriginChars))
        .reverse(),
    }))
}

interface Labelled {
  readonly origins?: unknown
}

/** @returns how much stricter a session is than the configuration, from the output of `session.mode`; empty: not at all */
export function modeBadge(output: unknown): string {
  const { mode } = (output ?? {}) as { readonly mode?: unknown }
  return mode === 'read_only' ? 'read only' : mode === 'ask' ? 'asks before changes' : ''
}

/** @returns each label with its newest origin and the number of others; empty: the conversation has none */
export function badgeText(badges: readonly LabelBadge[]): string {
  const parts = badges.map(({ label, from: [newest, ...others] }) => {
    const more = others.length === 0 ? '' : ` +${others.length}`
    return newest === undefined ? label : `${label}: ${newest}${more}`
  })
  return parts.join(' · ')
}
