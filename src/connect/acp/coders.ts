/**
 * Coding agents of others as calls: an approved agent NAME is the call `acp.NAME`. It works in a sandbox of its own, on a branch of the
 * files, with its own hosts and secrets; what it says is untrusted, and its changes wait for a merge. Its program starts with its first
 * task and ends when nobody continues the conversation.
 */
import { canonicalJson } from '../../base/index.ts'
import type { Call } from '../../protocol/index.ts'
import type { AcpAgent } from '../../config/index.ts'
import type { CallSource } from '../call-source.ts'
import { type HashText, visible } from '../mcp/definitions.ts'
import type { KeptDocuments } from '../mcp/settings.ts'
import { programIdentity, readLock } from '../program.ts'
import type { AcpAgentClient } from './acp-client.ts'
import { type CoderFacts, coderCalls, type CoderTable } from './coder-calls.ts'
import { type ConversationDeps, createConversations, startAgent } from './conversations.ts'
import { requestCalls } from './request-calls.ts'
import { createCoderSettings, type NamedCoder } from './settings.ts'
import { notApproved, taskCall } from './task-call.ts'

export interface CodersDeps extends ConversationDeps {
  readonly config: { readonly agents: Readonly<Record<string, AcpAgent>> }
  readonly documents: KeptDocuments
  /** Loaded with the first agent that is started. */
  readonly hash: () => Promise<HashText>
}

/** Reads the settings and starts nothing. */
export async function createCoders(deps: CodersDeps): Promise<CallSource> {
  const settings = createCoderSettings(deps.config.agents, deps.documents)
  const conversations = createConversations(deps)
  let held: readonly NamedCoder[] = []
  let offered: readonly Call[] = []
  const checkApproved = async (coder: NamedCoder, client: AcpAgentClient): Promise<void> => {
    if (coder.approved !== (await factsOf(coder, client, deps)).digest) notApproved(coder.name, coder.approved !== '')
  }
  const table: CoderTable = {
    settings,
    held: () => held,
    running: conversations.running,
    async reload() {
      const before = held
      held = await settings.load()
      const changed = before.filter((coder) => !held.some((now) => JSON.stringify(now) === JSON.stringify(coder)))
      await Promise.all(changed.map(({ name }) => conversations.end(name)))
      offered = held.filter(({ approved }) => approved !== '').map((coder) => taskCall(coder, { conversations, checkApproved }))
    },
    async lookAt(coder, signal) {
      signal.throwIfAborted()
      const { client } = await startAgent(deps, coder, '', '')
      try {
        return await factsOf(coder, client, deps)
      } finally {
        await client.close()
      }
    },
  }
  await table.reload()
  return {
    calls: [...coderCalls(table), ...requestCalls(conversations.filesOf)],
    tools: () => offered,
    close: () => conversations.end(),
  }
}

/** The settings count too: where it may go, what it sees and which secrets it gets is approved with it. */
async function factsOf({ settings }: NamedCoder, { facts }: AcpAgentClient, { hash, sandbox }: CodersDeps): Promise<CoderFacts> {
  const hashText = await hash()
  const { command, args, program_folder: folder } = settings
  const identity = programIdentity({ command, args, folder, lock: await readLock(folder, sandbox) }, hashText)
  const { agentInfo = null, agentCapabilities = {} } = facts
  const described = canonicalJson(JSON.parse(JSON.stringify({ agentInfo, agentCapabilities })))
  const { description: _, timeout_s: __, ...reach } = settings
  const digest = hashText(canonicalJson({ identity, described, reach: JSON.stringify(reach) }))
  return { identity, says: visible(described.slice(0, maxSaidChars)), settings, digest }
}

const maxSaidChars = 2_000

/** For reference pages; they cannot be run. */
export function describedCoderCalls(): readonly Call[] {
  return [
    ...coderCalls({} as CoderTable),
    ...requestCalls(() => {
      throw new Error('described only')
    }),
  ]
}
