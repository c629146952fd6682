/** What access decides for the gate, and what other services use of it. Rules, refused calls and keys are loaded where one is needed. */
import type { Core, Judges, RefusedCalls } from '../../kernel/index.ts'
import { once, type SessionId } from '../../base/index.ts'
import type { PendingApproval } from '../../protocol/index.ts'
import { sectionOf } from '../../config/index.ts'
import { createExecLists, type ExecLists, holdsPrograms } from './exec-lists.ts'
import { waitingIn } from './parked-calls.ts'
import { withOwnRoles } from './roles.ts'
import { assertKnownRights, rightProblem } from '../known-rights.ts'
import { copyMode, createSessionModes } from './session-modes.ts'
import { execConfig } from './config.ts'

export interface Access {
  readonly judges: Omit<Judges, 'refuse' | 'actAs' | 'hosts'>
  readonly execLists: ExecLists
  /** @returns the list with the rights of roles that were added @throws OxbowError `bad_input` that names what is no right */
  grantable(rights: readonly string[]): Promise<readonly string[]>
  /** @param run of the session that is no turn, and goes on @returns its calls that wait for a person, also those from before a restart */
  waitingIn(session: SessionId, run?: string): Promise<readonly PendingApproval[]>
  /** @returns what is no right, or no right of a call that there is, with what may be meant; empty: all are */
  rightProblem(rights: readonly string[]): string
  /** Revokes the keys whose names begin so. @returns how many */
  endKeys(of: Parameters<Core['documents']['put']>[0], begins: string): Promise<number>
  /** A session that continues from another one begins as strict as that. */
  copyMode(...copied: DropFirst<Parameters<typeof copyMode>>): Promise<void>
}

type DropFirst<List> = List extends readonly [unknown, ...infer Rest] ? Rest : never

export async function openAccess(core: Core): Promise<Access> {
  const { documents, config, clock, approvals } = core
  const execLists = createExecLists(documents, sectionOf(execConfig, config), holdsPrograms(config))
  await execLists.load()
  const judges: Omit<Judges, 'refuse' | 'actAs' | 'hosts'> = {
    hides: execLists.hides,
    refuseStart: execLists.refuse,
    refused: lazyRefused(core),
    cautionOf: createSessionModes({ documents, clock, topOf: approvals.top }).of,
    async findRule(asking, readInputs) {
      const { findRule, settingsDigest } = await import('./rules.ts')
      return findRule(documents, settingsDigest(config), asking, readInputs)
    },
    rightsOfKey: async (name) => (await import('./keys.ts')).rightsOfKey(documents, name, clock.now()),
  }
  return {
    judges,
    execLists,
    async grantable(rights) {
      const granted = await withOwnRoles(documents, rights)
      assertKnownRights(core, granted)
      return granted
    },
    rightProblem: (rights) => rightProblem(core, rights),
    waitingIn: (session, run) => waitingIn(core, session, run),
    endKeys: async (...ended) => (await import('./keys.ts')).endKeys(documents, ...ended),
    copyMode: (...copied) => copyMode(documents, ...copied),
  }
}

/** Loaded with the first refusal. */
function lazyRefused(core: Core): RefusedCalls {
  const load = once(async () => {
    const { createRefusedCalls } = await import('./refused-calls.ts')
    const { judge, ended } = createRefusedCalls({ ...core, approval: core.config.approval, maxRights: core.config.agent.max_rights })
    refused.ended = ended
    return judge
  })
  const refused: { -readonly [Name in keyof RefusedCalls]: RefusedCalls[Name] } = { judge: async (...asked) => (await load())(...asked) }
  return refused
}
