/** Calls about who is linked. */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type Call, defineCall, grantOf } from '../../protocol/index.ts'
import { ofCall } from './channel-deps.ts'
import type { LoadChannels } from './open-channels.ts'
import { manageRight, readRight } from './channel-records.ts'
import { channelName, identitySchema, roleSchema } from './channel-schemas.ts'
import { lesserOf } from './turns/chat-turns.ts'

const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 30_000 } as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: readRight, effect: 'none' } as const
const writes = { ...shared, tier: 'side_effecting', right: manageRight, effect: 'idempotent' } as const

export function identityCalls(load: LoadChannels): readonly Call[] {
  return [linkCall(load), unlinkCall(load), identitiesCall(load)]
}

function linkCall(load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'identity.link',
    summary: 'Links somebody on a platform, by the id that the platform gives them.',
    input: z.strictObject({
      channel: channelName,
      space: z.string().max(300).default('').describe('Workspace, guild or domain.'),
      sender: z.string().min(1).max(300).describe('Id of the sender; not a name or handle.'),
      shown: z.string().max(300).default('').describe('Name for you to read.'),
      role: roleSchema.default('member'),
      rights: z.array(z.string().max(600)).max(100).default([]).describe('Rights within which its turns act; default: what the role has.'),
      groups: z.array(z.string().max(300)).max(100).default([]).describe('Chats in which a guest may speak.'),
    }),
    output: identitySchema,
    example: { channel: 'telegram', space: '', sender: '1000', shown: 'Ada', role: 'member', rights: [], groups: [] },
    recordOutput: ({ id }) => ({ id }),
    async run({ role: given, rights, groups, ...sender }, context) {
      const { identities, get, stop } = await load()
      await get(sender.channel)
      if (given === 'owner' && rights.length > 0)
        throw new OxbowError('bad_input', 'An owner has your rights, and no others.', { hint: 'Link them as a member, with these rights.' })
      // What is no right would end each of their turns.
      grantOf(rights)
      const before = await identities.find(sender.channel, sender.space, sender.sender)
      const linked = await identities.link(ofCall(context, 'identity.link'), sender, { role: given, rights, groups })
      // What runs has more rights than they have now.
      if (before !== null && before.role !== given && lesserOf(before.role, given) === given) await stop(linked.id)
      return { output: linked }
    },
  })
}

function unlinkCall(load: LoadChannels): Call {
  return defineCall({
    ...writes,
    name: 'identity.unlink',
    summary: 'Unlinks somebody: from now on they are a stranger. Their turn is stopped, and what of them waits is dropped.',
    input: z.strictObject({ identity: z.string().min(1).max(100) }),
    output: z.strictObject({ unlinked: z.string() }),
    example: { identity: '0123456789abcdef' },
    async run({ identity }, context) {
      const { identities, stop } = await load()
      const { id } = await identities.unlink(ofCall(context, 'identity.unlink'), identity)
      await stop(id)
      return { output: { unlinked: id } }
    },
  })
}

function identitiesCall(load: LoadChannels): Call {
  return defineCall({
    ...reads,
    name: 'identity.list',
    routes: [{ method: 'GET', path: '/identities', list: '' }],
    summary: 'Lists who is linked, with their roles.',
    input: z.strictObject({}),
    output: z.array(identitySchema),
    example: {},
    recordOutput: (output) => ({ identities: output.length }),
    run: async () => ({ output: [...(await (await load()).identities.all())] }),
  })
}
