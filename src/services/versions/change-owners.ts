/**
 * Whose a change is: who may change files now, and the facts of a commit of what they have changed. What nobody is known to have changed is
 * the person's. Turns that run are marked on disk: after a kill, what is found changed is said to be theirs.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { maxTitleLength } from '../../kernel/index.ts'
import type { Store } from '../../store/index.ts'
import type { CallId, Clock, SessionId, UserId } from '../../base/index.ts'
import type { Labels } from '../../protocol/index.ts'
import { trailersOf, unknownTurn } from './thread/message-labels.ts'
import type { CommitBy } from './thread/version-questions.ts'
import { runningMark } from './limits.ts'

/** Who changes files: a turn, or a person (or a program of the kernel) outside of any. */
export interface Owner {
  readonly turn: string
  readonly session: SessionId | ''
  readonly actor: string
}

export interface ChangeOwners {
  /** One may change any file from now on. @returns what ends that */
  enter(owner: Owner): symbol
  leave(key: symbol): void
  /** Ends all that a turn has entered. */
  leaveTurn(turn: string): void
  /** One changes these files by name. */
  name(owner: Owner, paths: readonly string[]): void
  unname(): void
  /** Files that are changed by name now. */
  named(): readonly string[]
  isNaming(): boolean
  /** Whether what is found changed may be somebody's who runs, or ran when the guest was killed. */
  isShared(): boolean
  /** Whether a guest was killed, and what it left is not yet committed. */
  wasKilled(): boolean
  /** All that was found changed is committed. */
  settled(): void
  isFirst(): boolean
  /** The facts of a commit of what one has changed. */
  by(owner: Owner): Promise<CommitBy>
  /** Of what is not known to be anybody's: whoever runs, and a person where nobody does. */
  whoRuns(): Promise<CommitBy>
  /** The turn is over. */
  forget(turn: string): void
}

interface OwnersDeps {
  /** Of the repository. */
  readonly folder: string
  readonly isOn: boolean
  readonly user: UserId
  readonly store: Pick<Store, 'records' | 'session'>
  readonly clock: Clock
}

const nobody = { session: '', turn: '' } as const

export function createChangeOwners({ folder, isOn, user, store, clock }: OwnersDeps): ChangeOwners {
  const marker = createMarker(join(folder, runningMark), isOn)
  let killed = marker.found
  const running = new Map<symbol, Owner>()
  let naming: { readonly owner: Owner; readonly paths: readonly string[] } | null = null
  const messages = new Map<string, Promise<TurnMessage>>()
  const isFirst = (): boolean => !existsSync(join(folder, 'refs/heads/main'))
  const mark = (): void => {
    const open = [...running.values(), ...(naming === null ? [] : [naming.owner])].map(({ turn }) => turn)
    marker.write([...new Set([...killed, ...open.filter((turn) => turn !== '')])])
  }
  const byNobody = (subject: string): CommitBy => ({ author: 'oxbow', at: clock.now(), subject, trailers: trailersOf(nobody, []) })
  const by = async ({ turn, session, actor }: Owner): Promise<CommitBy> => {
    const at = clock.now()
    if (turn === '') return { author: actor, at, subject: 'Edits between turns', trailers: trailersOf(nobody, []) }
    let found = messages.get(turn)
    if (found === undefined) messages.set(turn, (found = messageOf(store, turn, session)))
    const { subject, labels } = await found
    // Times of commits are whole seconds, in which a turn makes several.
    return { author: actor, at, subject, trailers: { ...trailersOf({ session, turn }, labels), 'Oxbow-Time': String(at) } }
  }
  return {
    enter(owner) {
      const key = Symbol(owner.turn)
      running.set(key, owner)
      return key
    },
    leave: (key) => void running.delete(key),
    leaveTurn(turn) {
      for (const [key, owner] of running) if (owner.turn === turn) running.delete(key)
      mark()
    },
    name(owner, paths) {
      naming = { owner, paths }
      mark()
    },
    unname() {
      naming = null
      mark()
    },
    named: () => naming?.paths ?? [],
    isNaming: () => naming !== null,
    isShared: () => running.size > 0 || killed.length > 0,
    wasKilled: () => killed.length > 0,
    settled() {
      killed = []
      mark()
    },
    isFirst,
    by,
    async whoRuns() {
      if (isFirst()) return byNobody('Before the first change')
      const owners = [...new Map([...running.values()].map((owner) => [owner.turn, owner])).values()]
      const [only, ...others] = owners
      if (killed.length === 0 && others.length === 0) return by(only ?? { turn: '', session: '', actor: `user:${user}` })
      const shared = [...new Set([...killed, ...owners.map(({ turn }) => turn)])].filter((turn) => turn !== '')
      // What a person has changed after the kill is among it.
      if (killed.length > 0) shared.push(unknownTurn)
      const facts = byNobody(killed.length > 0 ? 'Changes before Oxbow was stopped' : 'Changes of several turns at once')
      return { ...facts, trailers: { ...facts.trailers, 'Oxbow-Turns': shared.join(' ') } }
    },
    forget: (turn) => void messages.delete(turn),
  }
}

/** The part of the record of a message that its version names. */
interface TurnIntent {
  readonly input?: { readonly text?: unknown }
  readonly labels?: Labels
}

/** What a version says of the message of its turn. */
interface TurnMessage {
  /** Its first line. */
  readonly subject: string
  /** Of what its conversation had read when it was sent, which it may repeat. */
  readonly labels: Labels
}

/** A run of a graph has no message: its version is called as its session is. */
async function messageOf(store: OwnersDeps['store'], turn: string, session: SessionId | ''): Promise<TurnMessage> {
  const [sent] = await store.records({ call: turn as CallId, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  const { input, labels = [] } = sent === undefined ? {} : (JSON.parse(sent.body) as TurnIntent)
  const text = typeof input?.text === 'string' ? input.text : ''
  const subject = Array.from(text.trim().split('\n', 1)[0] ?? '')
    .slice(0, maxTitleLength)
    .join('')
  const title = subject !== '' || session === '' ? '' : ((await store.session(session))?.title ?? '')
  return { subject: subject || title || 'Turn', labels }
}

interface Marker {
  /** The turns that changed something when the guest was killed. */
  readonly found: readonly string[]
  write(turns: readonly string[]): void
}

/** Not durable: a kill leaves what was written, and after a power failure everything is committed as between turns. */
function createMarker(path: string, isOn: boolean): Marker {
  const found = isOn ? readMarker(path) : []
  let marked = found.length
  return {
    found,
    write(turns) {
      const before = marked
      marked = turns.length
      try {
        if (turns.length > 0) writeFileSync(path, JSON.stringify(turns), { mode: 0o600 })
        else if (before > 0) rmSync(path, { force: true })
      } catch (error) {
        console.error(error)
      }
    },
  }
}

function readMarker(path: string): readonly string[] {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as string[]).filter((turn) => typeof turn === 'string')
  } catch {
    return []
  }
}
