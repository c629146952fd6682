/**
 * Connects the versions with the rest of the kernel: notes what turns change, and commits it after them in the background. The versions
 * themselves are loaded with the first commit.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '../../store/index.ts'
import { type Call, type CallId, type Caller, type Config, once, type RecordView, type Sandbox, type SessionId } from '../../types/index.ts'
import type { Background } from '../background.ts'
import type { Events } from '../events.ts'
import { maxListedChanges, maxSearchedVersions, maxTitleLength } from '../limits.ts'
import type { Labels } from '../stages/policy.ts'
import type { Documents } from '../state/documents.ts'
import type { Versions } from './versions.ts'
import type { FirstVersion } from '../stages/running-calls.ts'

/** The first line of a turn's message, and the agent that ran it. */
export interface TurnFacts {
  readonly subject: string
  readonly author: string
  /** Of what its conversation had read when the message was sent, which the message may repeat. */
  readonly labels: Labels
}

export interface Versioning {
  /** Null: this guest keeps none. */
  readonly versions: () => Promise<Versions | null>
  readonly turnFacts: (turn: string) => Promise<TurnFacts>
  /** Notes that a call which may change something has ended. */
  readonly noteChange: (caller: Caller, call: Pick<Call, 'name' | 'right'>) => void
  readonly first: FirstVersion
  /** Files of the workspace that differ between the versions before and after the turns of a session; empty where there are no versions. */
  readonly changedIn: (session: SessionId) => Promise<readonly string[]>
  /** Commits the turns that have ended before: a guest that was started for one turn ends right after it. */
  readonly close: () => Promise<void>
}

interface VersioningDeps {
  /** Of the repository; absent: there are no versions. */
  readonly versionsFolder?: string | undefined
  readonly mounts?: (() => readonly string[]) | undefined
  readonly sandbox: Sandbox
  readonly store: Store
  readonly documents: Documents
  readonly config: Config['versions']
  readonly background: () => Pick<Background, 'run'>
  readonly events: Pick<Events, 'onTurnEnd'>
}

/** The part of the record of a message that its version names. */
interface TurnIntent {
  readonly input?: { readonly text?: unknown }
  readonly labels?: Labels
}

/** A turn that has changed something. */
interface Changed {
  readonly turn: string
  readonly session: SessionId | ''
  readonly actor: string
  onlyState: boolean
}

/** Families of calls that change something, but neither files nor saved documents. */
const elsewhere: ReadonlySet<string> = new Set('turn model memory scratchpad session version call schedule event agent branch'.split(' '))

export function createVersioning(deps: VersioningDeps): Versioning {
  const { versionsFolder: folder, mounts = () => [], sandbox, store, documents, config, background, events } = deps
  const isOn = folder !== undefined && config.enabled
  const turns = new Map<string, Changed>()
  /** Turns that have ended and are not yet committed, in order. */
  const waiting: Changed[] = []
  let committing: Promise<void> | null = null
  let isListening = false
  const documentsChanged = { since: true }

  const versions = once(async () => {
    if (!isOn) return null
    const { createVersions } = await import('./versions.ts')
    return createVersions({ folder, mounts, sandbox, store, documents, config, documentsChanged })
  })
  const commitAll = async (): Promise<void> => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      await background().run(next.session, 'version.after_turn', { turn: next.turn, only_state: next.onlyState })
      waiting.shift()
    }
    committing = null
  }
  const turnEnded = ({ call }: RecordView): void => {
    const changed = turns.get(call)
    turns.delete(call)
    if (changed === undefined || !sandbox.status.files) return
    waiting.push(changed)
    committing ??= commitAll()
  }
  const begin = once(async () => {
    if (sandbox.status.files && !existsSync(join(folder ?? '', 'refs/heads/main'))) await background().run('', 'version.begin', {})
    first.begin = null
  })
  const first: FirstVersion = { begin: isOn ? begin : null }
  return {
    versions,
    first,
    noteChange({ actor, session, turn, branch }, { name, right }) {
      if (!isOn) return
      const isState = right === 'state.write'
      if (isState || name === 'version.restore') documentsChanged.since = true
      if (turn === '' || branch !== undefined || !actor.startsWith('agent:') || elsewhere.has(name.slice(0, name.indexOf('.')))) return
      // A guest whose turns change nothing never looks at their ends.
      if (!isListening) events.onTurnEnd(turnEnded)
      isListening = true
      const changed = turns.get(turn)
      if (changed === undefined) turns.set(turn, { turn, session, actor, onlyState: isState })
      else changed.onlyState &&= isState
    },
    async turnFacts(turn) {
      const [sent] = await store.records({ call: turn as CallId, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
      const { input, labels = [] } = sent === undefined ? {} : (JSON.parse(sent.body) as TurnIntent)
      const text = typeof input?.text === 'string' ? input.text : ''
      const subject = Array.from(text.trim().split('\n', 1)[0] ?? '')
        .slice(0, maxTitleLength)
        .join('')
      return { subject: subject || 'Turn', author: waiting.find((one) => one.turn === turn)?.actor ?? 'agent', labels }
    },
    async changedIn(session) {
      const kept = await versions()
      await committing
      return kept === null ? [] : changedIn(kept, session)
    },
    async close() {
      await committing
      await (await versions.made())?.close()
    },
  }
}

async function changedIn(versions: Versions, session: SessionId): Promise<readonly string[]> {
  const all = await versions.log({ from: 'HEAD', path: '', limit: maxSearchedVersions })
  const own = all.filter(({ trailers }) => trailers['oxbow-session'] === session)
  const found = new Set<string>()
  for (const { commit } of own.reverse()) {
    const { changes } = await versions.compare({ from: '', to: commit, path: 'shared', text: false, limit: maxListedChanges })
    for (const { path } of changes) found.add(`/${path}`)
  }
  return [...found]
}
