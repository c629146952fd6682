/**
 * The files of calls: the workspace, or a copy of it in which a call changes nothing else (a branch of files), and what is kept
 * of each change. A service keeps it and makes the copies; it is loaded with the first call that changes something.
 */
import { type CallId, errorMessage, once, OxbowError, type SessionId } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  type Caller,
  changeOps,
  type Hands,
  programOps,
  type ProgramSees,
  type Sandbox,
} from '../../protocol/index.ts'
import type { Watch } from './running-calls.ts'

/** Waits for work that does not count against the time limit of a call. */
type Patience = Watch['unhurried']

/** The part of a call that says what it changes besides files. */
type ChangingCall = Pick<Call, 'right'>

/** Keeps what calls change: what is there before, and what they leave. A copy of the workspace is not watched. */
export interface FileChanges {
  /** @returns hands of the workspace that keep what they change */
  hands(hands: Hands, caller: Caller, patience: Patience): Hands
  /** Waits for a program that may change files of the workspace by itself. */
  whileProgram<Result>(caller: Caller, patience: Patience, work: () => Promise<Result>): Promise<Result>
  /** Runs a call with one of the rights for which it keeps more than files. */
  around<Result>(caller: Caller, patience: Patience, work: () => Promise<Result>): Promise<Result>
  /** Such a call has ended. */
  ended(caller: Caller): void
  /** A run that is no turn makes no more calls. */
  runEnded(run: string): void
  /** Waits, for a time, until all that has ended is kept: a guest that was started for one turn ends right after it. */
  settle(): Promise<void>
  close(): Promise<void>
}

/** The call that makes or changes a branch of files. */
export interface BranchBy {
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn' | 'branch'>
  readonly call: CallId
  readonly name: string
  readonly signal: AbortSignal
}

/** `at`, `base`: versions that it begins with ('': as all is now) and that a merge compares it with. `hands`: labels of their node; absent: here. */
export interface NewBranch {
  readonly name: string
  readonly at: string
  readonly base?: string
  /** Session that will work on it. */
  readonly session: SessionId | ''
  readonly hands?: readonly string[] | undefined
}

/** Copies of the workspace. */
export interface FileCopies {
  /** Safe to repeat with the same name. @throws OxbowError where none can be made */
  create(by: BranchBy, branch: NewBranch): Promise<{ readonly name: string }>
  /** @param effect of the call whose requests it gets: it decides which are made again after a node was lost @throws OxbowError `not_found` */
  sandbox(name: string, effect?: Call['effect']): Promise<Sandbox>
}

/** What the service of files has for the core; see `Service.files`. */
interface FileParts {
  readonly rights: readonly string[]
  readonly changes: () => Promise<FileChanges | null>
  readonly copies: () => Promise<FileCopies>
  /** As `changes`, where the service is open; null: nobody has opened it. */
  readonly opened: () => Promise<FileChanges | null>
}

/** As `FileChanges` and `FileCopies`, loaded when they are needed. */
export interface FileKeeper extends Pick<FileChanges, 'runEnded' | 'settle' | 'close'>, FileCopies {
  /** @throws OxbowError `internal_failure` where a change cannot be kept: then nothing may be changed */
  hands(hands: Hands, caller: Caller, patience: Patience): Promise<Hands>
  /** @throws as `hands` */
  whileProgram<Result>(caller: Caller, sees: ProgramSees, patience: Patience, work: () => Promise<Result>): Promise<Result>
  /** Runs a call. @throws as `hands`, if it changes anything kept besides files */
  around<Result>(caller: Caller, call: ChangingCall, patience: Patience, work: () => Promise<Result>): Promise<Result>
  /** A call that may have changed something has ended. */
  ended(caller: Caller, call: ChangingCall): void
}

/** @param parts undefined: no service keeps changes or makes copies */
export function holdFiles(parts: FileParts | undefined): FileKeeper {
  const load = once(async () => (await parts?.changes()) ?? null)
  let loaded: FileChanges | null = null
  const changes = async (patience: Patience): Promise<FileChanges | null> => {
    try {
      return (loaded ??= await patience(load()))
    } catch (error) {
      throw notKept(error)
    }
  }
  const copies = async (): Promise<FileCopies> => {
    if (parts !== undefined) return parts.copies()
    throw new OxbowError('sandbox_missing', 'This guest has no branches of files.', { hint: 'Let the agent work in the workspace itself.' })
  }
  const keepsMore = ({ right }: ChangingCall): boolean => parts?.rights.includes(right) === true
  return {
    async hands(hands, caller, patience) {
      if (caller.branch !== undefined) return hands
      return (await changes(patience))?.hands(hands, caller, patience) ?? hands
    },
    async whileProgram(caller, { branch, folders, goesOn }, patience, work) {
      if (branch === undefined && goesOn !== undefined)
        assertNoBranch(caller, `${goesOn.program} writes to the workspace, and does not see it`)
      if (caller.branch !== undefined || branch !== undefined || folders.length === 0) return work()
      const kept = await changes(patience)
      return kept === null ? work() : kept.whileProgram(caller, patience, work)
    },
    async around(caller, call, patience, work) {
      if (!keepsMore(call)) return work()
      const kept = await changes(patience)
      return kept === null ? work() : kept.around(caller, patience, work)
    },
    ended(caller, call) {
      if (keepsMore(call)) loaded?.ended(caller)
    },
    runEnded: (run) => loaded?.runEnded(run),
    // Its calls, too, may have opened it.
    settle: async () => (await parts?.opened())?.settle(),
    close: async () => (await parts?.opened())?.close(),
    create: async (by, branch) => (await copies()).create(by, branch),
    sandbox: async (name, effect) => (await copies()).sandbox(name, effect),
  }
}

function notKept(cause: unknown): OxbowError {
  const why = errorMessage(cause)
  return new OxbowError('internal_failure', `Nothing was changed, because no version of it could be kept: ${why}`, {
    hint: '`oxbow doctor` says more; `oxbow restart` tries it again.',
    cause,
  })
}

/** What works on a branch changes nothing outside it. @throws OxbowError `denied` */
export function assertNoBranch({ branch }: Pick<Caller, 'branch'>, why = 'this would change the workspace or copy it'): void {
  if (branch === undefined) return
  throw new OxbowError('denied', `You work on the branch of files ${branch}, and ${why}.`, {
    hint: 'Work on with the files that you see; whoever started you merges them.',
  })
}

/** Where calls find files. */
export interface FilePlaces {
  readonly sandbox: Sandbox
  readonly keeper: FileKeeper
}

interface CallAtFiles {
  readonly caller: Caller
  readonly id: CallId
  readonly call: Pick<Call, 'name' | 'tier' | 'right' | 'files' | 'effect'>
  readonly watch: Pick<Watch, 'signal' | 'unhurried'>
}

/** @throws what its description does not say of a call is a bug: its labels would be missing */
const undeclared = ({ name }: Pick<Call, 'name'>, what: string): Error => new Error(`${name} ${what}, which its description does not say`)

/** @returns hands that do no more with files than the description of the call says */
function handsOf(call: CallAtFiles['call'], hands: Hands): Hands {
  if (call.files === 'workspace') return hands
  return {
    async ask(op, input, options) {
      if (programOps.has(op)) throw undeclared(call, 'starts a program')
      if (call.files === undefined && changeOps.has(op)) throw undeclared(call, 'changes files')
      return hands.ask(op, input, options)
    },
  }
}

/**
 * The files of a call: the workspace, or the branch of its caller. The time limit pauses while hands start: an emulated machine takes 15 s.
 * @param fill puts secrets in where handles stand
 */
export function filesFor(
  { sandbox, keeper }: FilePlaces,
  { caller, id, call, watch }: CallAtFiles,
  fill: (sandbox: Sandbox) => Sandbox,
): {
  readonly sandbox: Sandbox
  readonly branch: CallContext['branch']
  readonly caller: () => Caller
  /** Unwatched: the workspace, or a branch of files. */
  readonly at: (branch: string | undefined) => Promise<Sandbox>
  around<Result>(work: () => Promise<Result>): Promise<Result>
  whileProgram<Result>(sees: ProgramSees, work: () => Promise<Result>): Promise<Result>
} {
  const { branch } = caller
  const at = async (name: string | undefined): Promise<Sandbox> => (name === undefined ? sandbox : keeper.sandbox(name, call.effect))
  const plain: Sandbox = {
    get status() {
      return sandbox.status
    },
    async hands(profile) {
      const hands = handsOf(call, await watch.unhurried(at(branch).then((found) => found.hands(profile))))
      const changesFiles = call.tier !== 'read_only' && (profile === 'work' || profile === 'online')
      return changesFiles ? keeper.hands(hands, caller, watch.unhurried) : hands
    },
    close: () => sandbox.close(),
  }
  let own = caller
  // Most calls look at no file.
  let filled: Sandbox | null = null
  return {
    caller: () => own,
    at,
    around: (work) => keeper.around(caller, call, watch.unhurried, work),
    async whileProgram(sees, work) {
      if (call.files !== 'workspace' && sees.folders.length > 0) throw undeclared(call, 'starts a program')
      return keeper.whileProgram(caller, sees, watch.unhurried, work)
    },
    get sandbox() {
      return (filled ??= fill(plain))
    },
    async branch() {
      const by = { caller, call: id, name: call.name, signal: watch.signal }
      const { name } = await watch.unhurried(keeper.create(by, { name: id, at: '', session: '' }))
      own = { ...caller, branch: name }
      const made = await keeper.sandbox(name)
      const copy = fill({ ...made, hands: async (profile) => handsOf(call, await watch.unhurried(made.hands(profile))) })
      return { name, sandbox: made.serve === undefined ? copy : { ...copy, serve: made.serve } }
    },
  }
}
