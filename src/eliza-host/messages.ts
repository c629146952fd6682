/** Messages of Oxbow as memories of elizaOS: the same person, room and message always have the same ids. */
import type { PluginMessage } from '../protocol/index.ts'
import type { ElizaCore, Memory } from './eliza-types.ts'
import type { ElizaRuntime } from './runtime/runtime-types.ts'

const source = 'oxbow'
/** Connections and messages that are known to be kept; older ones are kept again, which changes nothing. */
const rememberedKeys = 1_000
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export interface Messages {
  /** The message as a memory. Person, room and message are in the store once this resolves. */
  kept(message: PluginMessage, ofAgent?: boolean): Promise<Memory>
}

export function createMessages(core: ElizaCore, runtime: ElizaRuntime): Messages {
  const seen = new Set<string>()
  const first = async (key: string, work: () => Promise<void>): Promise<void> => {
    if (seen.has(key)) return
    await work()
    seen.add(key)
    for (const oldest of seen) {
      if (seen.size <= rememberedKeys) return
      seen.delete(oldest)
    }
  }
  const worldId = core.createUniqueUuid(runtime, source)
  return {
    async kept(message, ofAgent = false) {
      const userName = message.user
      const person = core.createUniqueUuid(runtime, `${source}:${message.user}`)
      const roomId = core.createUniqueUuid(runtime, `${source}:${message.session}`)
      const place = { entityId: person, roomId, worldId, worldName: source, userName, name: userName, userId: userName }
      await first(`${person} ${roomId}`, () =>
        runtime.ensureConnection({ ...place, source, type: 'API', channelId: message.session, messageServerId: worldId }),
      )
      const memory: Memory = {
        id: uuid.test(message.id) ? message.id : core.stringToUuid(message.id),
        entityId: ofAgent ? runtime.agentId : person,
        agentId: runtime.agentId,
        roomId,
        // No world: memories that a plugin makes from a message have none, and would not be found with it.
        content: { text: message.text, source, channelType: 'API' },
        metadata: { type: 'message', entityName: ofAgent ? runtime.character.name : message.user, timestamp: message.at },
        createdAt: message.at,
      }
      if (message.text !== '') await first(String(memory.id), () => runtime['createMemory'](memory, 'messages').then(() => {}))
      return memory
    },
  }
}
