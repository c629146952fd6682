/** Calls by which terminals begin a session and list those that there are. What happens in one is `turn-calls.ts` of the kernel. */
import { z } from 'zod'
import { type Core, describeSession, sessionsOf } from '../../kernel/index.ts'
import { OxbowError, type SessionId } from '../../base/index.ts'
import { type Call, defineCall, idSchema, type SessionInfo, sessionInfo, newSessionCall } from '../../protocol/index.ts'
import type { SessionRow } from '../../store/index.ts'
import { folderChange, foldersOf, sessionFolder } from './session-folders.ts'

type SessionCallDeps = Pick<Core, 'store' | 'documents' | 'lanes' | 'journal' | 'handoffs'>

export function sessionCalls(deps: SessionCallDeps): readonly Call[] {
  return [createSession(deps), listSessions(deps)]
}

function createSession({ store, documents }: SessionCallDeps): Call {
  return defineCall({
    name: newSessionCall,
    routes: [{ method: 'POST', path: '/sessions', status: 201 }],
    event: ({ id = '' }) => ({ kind: 'session_created', fields: { id } }),
    summary: 'Starts a new session.',
    input: z.strictObject({
      title: z.string().max(200).optional().describe('Title shown in lists. Default: the first line of the first message.'),
      folder: sessionFolder.optional().describe('Your folder in which it begins, as lists show it. This neither adds nor opens anything.'),
    }),
    output: z.object({ id: idSchema('SessionId'), title: z.string() }),
    example: { title: 'Taxes' },
    tier: 'side_effecting',
    right: 'session.write',
    effect: 'idempotent',
    projection: 'new_session',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: (output) => ({ ...output }),
    async run({ title = '', folder }, { id: call, caller }) {
      // The session id is the call's id, which the terminal may choose: a repeated request creates no second session.
      const id = call as string as SessionId
      if ((await store.session(id)) !== null)
        throw new OxbowError('bad_input', `Session ${id} already exists.`, { hint: 'Use a new id for each session.' })
      if (folder !== undefined) await documents.put({ caller, call, name: newSessionCall }, [folderChange(id, folder)])
      return { output: { id, title } }
    },
  })
}

function listSessions({ store, lanes, journal, handoffs, documents }: SessionCallDeps): Call {
  return defineCall({
    name: 'session.list',
    forPrograms: true,
    routes: [{ method: 'GET', path: '/sessions', list: '' }],
    summary: 'Lists sessions, newest activity first.',
    input: z.strictObject({
      limit: z.int().min(1).max(1000).default(50).describe('Maximum number of sessions to list.'),
      archived: z.boolean().default(false).describe('Include archived sessions.'),
      search: z.string().max(200).default('').describe('Words that the title must contain.'),
    }),
    output: z.array(sessionInfo),
    example: { limit: 20, archived: false, search: 'taxes' },
    tier: 'read_only',
    right: 'session.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: ['private'], sink: false },
    timeoutMs: 10_000,
    recordOutput: (output) => ({ sessions: output.length }),
    async run(input) {
      // The list must show changes that were made just now.
      await journal.flushed()
      const rows = await sessionsOf(store, input)
      const folders = await foldersOf(
        documents,
        rows.map(({ id }) => id),
      )
      const view = (row: SessionRow): SessionInfo => {
        const folder = folders.get(row.id)
        return { ...describeSession(row, lanes.isBusy(row.id), handoffs.answering(row.id)), ...(folder !== undefined && { folder }) }
      }
      return { output: rows.map(view) }
    },
  })
}
