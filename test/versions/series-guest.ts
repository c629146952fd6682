/** A guest of a random series: the real versions and operations of hands, without a sandbox, a store and turns. */
import { cpSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { fileOperations } from '../../src/hands/files/file-operations.ts'
import { openSnapshots } from '../../src/hands/find/snapshot-folder.ts'
import { openArchives } from '../../src/hands/archive/unpack-folder.ts'
import { createPathLocks } from '../../src/hands/files/path-locks.ts'
import { createUploads } from '../../src/hands/transfer/put-file.ts'
import { undoCalls } from '../../src/services/versions/undo/undo-calls.ts'
import { createVersioning, type Versioning } from '../../src/services/versions/versioning.ts'
import { type Failure, OxbowError, toError } from '../../src/base/index.ts'
import type { CallContext, Caller, Hands, HandsOps, RecordView, Sandbox } from '../../src/protocol/index.ts'

/** What hands are asked to run: the guest plays it, see `command`. */
export const played = { command: 'played', cwd: '/shared' } as HandsOps['exec']['input']

const patience = <T>(work: Promise<T>): Promise<T> => work
const signal = new AbortController().signal

export interface Undone {
  readonly text: string
  readonly undo: string
  readonly conflicts: readonly { readonly path: string }[]
}

export interface SeriesGuest {
  /** What the next command does. */
  command(work: () => Promise<void>): void
  /** What happens before each request to hands. */
  beforeEach(happens: (op: string, path: string) => void): void
  handsOf(turn: string): Hands
  /** The turn, or the run of a graph, ends and is committed. */
  end(turn: string, isGraph: boolean): Promise<void>
  /** @returns the code of a refusal */
  undo(input: { readonly turn: string }, id: string): Promise<Undone | 'not_found' | 'tool_failed'>
  /** Commits what a killed guest has left. */
  recover(): Promise<void>
  stop(): Promise<void>
  /** Takes a copy of the versions as a kill would leave them now. */
  kill(copy: string): void
}

export function startGuest(shared: string, folder: string): SeriesGuest {
  const roots = [{ virtual: '/shared', real: shared }]
  let command: () => Promise<void> = async () => {}
  let happens: (op: string, path: string) => void = () => {}
  const locks = createPathLocks()
  const handlers = {
    ...fileOperations(roots, createUploads(roots), locks),
    ...openSnapshots(roots),
    ...openArchives(roots, locks).ops,
    exec: async () => command(),
  }
  const hands = {
    async ask(op: keyof typeof handlers, input: never) {
      try {
        happens(op, (input as { readonly path?: string }).path ?? '')
        return await (handlers[op] as (...args: unknown[]) => Promise<unknown>)(input, signal)
      } catch (error) {
        if (error instanceof Error && 'failure' in error) throw toError(error.failure as Failure)
        throw error
      }
    },
  } as unknown as Hands
  const { versioning, listeners } = startVersioning(folder, hands)
  const [, undoCall] = undoCalls({
    versioning: async () => versioning,
    documents,
    restored: async () => {},
    runs: async () => [],
    store,
    registry: { find: () => undefined },
    sections: [],
  } as never)
  const stop = async (): Promise<void> => {
    await versioning.changes.settle()
    await versioning.changes.close()
  }
  return {
    command: (work) => void (command = work),
    beforeEach: (what) => void (happens = what),
    handsOf: (turn) => versioning.changes.hands(hands, callerOf(turn), patience),
    async end(turn, isGraph) {
      if (isGraph) versioning.changes.runEnded(turn)
      else for (const listener of listeners) listener({ call: turn } as never)
      await versioning.changes.settle()
    },
    async undo({ turn }, id) {
      const context = { id, caller: callerOf(''), clock, signal } as unknown as CallContext
      try {
        const { output, text } = await undoCall!.run({ turn, redo: false, apply: true, conflicts: 'keep_later', digest: '' }, context)
        return { ...(output as Undone), text: text ?? '' }
      } catch (error) {
        if (error instanceof OxbowError && (error.code === 'not_found' || error.code === 'tool_failed')) return error.code
        throw error
      }
    },
    recover: () => versioning.recover(),
    stop,
    kill: (copy) => cpSync(folder, copy, { recursive: true }),
  }
}

const clock = { now: () => Date.now(), monotonicMs: () => performance.now() }
const store = {
  records: async () => [],
  documentCategories: async () => [],
  session: async () => null,
  spent: async () => ({ microDollars: 0, tokens: 0 }),
}
const documents = { all: async () => [], put: async () => {} }

type Listener = (record: RecordView) => void

function startVersioning(folder: string, hands: Hands): { readonly versioning: Versioning; readonly listeners: Listener[] } {
  const listeners: Listener[] = []
  const versioning: Versioning = createVersioning({
    user: 'ada' as never,
    versionsFolder: folder,
    sandbox: { status: { files: true }, hands: async () => hands } as unknown as Sandbox,
    store: store as never,
    documents: documents as never,
    config: { enabled: true, max_file_mb: 0.1, ignore: ['skipped'] },
    clock,
    background: {
      run: async (_session, _name, input) => {
        const { turn, only_state: onlyState } = input as { turn: string; only_state: boolean }
        await versioning.endTurn(turn, onlyState)
        return null
      },
    },
    events: { onTurnEnd: (listener) => void listeners.push(listener) },
    pause: async (ms) => setTimeout(ms, undefined, { ref: false }),
  })
  return { versioning, listeners }
}

function callerOf(turn: string): Caller {
  const who = { user: 'ada', actor: turn === '' ? 'user:ada' : 'agent:ox', session: 's', turn, process: '' }
  return { ...who, rights: new Set(), audience: 'model' } as unknown as Caller
}
