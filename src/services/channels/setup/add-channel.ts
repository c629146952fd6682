/** `channel.add`: a channel is made, or has other tokens from now on; where these do not work, it is as it was. */
import { z } from 'zod'
import { OxbowError } from '../../../base/index.ts'
import type { ChannelSettings } from '../../../config/index.ts'
import type { Core } from '../../../kernel/index.ts'
import { type Call, defineCall } from '../../../protocol/index.ts'
import { ofCall } from '../channel-deps.ts'
import { channelKind, channelKinds, checkedOptions } from './channel-kinds.ts'
import { type ChannelDoc, manageRight, secretName, webhookSender } from '../channel-records.ts'
import { channelView, viewOf } from '../channel-views.ts'
import { listMs, tryMs } from '../limits.ts'
import type { Channels, LoadChannels } from '../open-channels.ts'

/** @param core absent fields where calls are only described */
export function addCall(core: Pick<Core, 'random' | 'config' | 'secrets'>, load: LoadChannels): Call {
  return defineCall({
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 60_000,
    tier: 'side_effecting',
    right: manageRight,
    effect: 'idempotent',
    name: 'channel.add',
    summary: 'Adds a channel, or gives one another token, and tries it.',
    input: z.strictObject({
      kind: z
        .string()
        .min(1)
        .max(30)
        .describe(`What it is: ${channelKinds.join(', ')}.`),
      name: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,29}$/, 'must be lowercase letters, digits and dashes')
        .optional()
        .describe('Name; default: its kind.'),
      secrets: z.record(z.string().regex(/^[a-z_]{1,30}$/), z.string().min(1).max(10_000)).describe('Tokens and passwords by name.'),
      options: z
        .record(z.string().regex(/^[a-z_]{1,30}$/), z.string().max(1_000))
        .default({})
        .describe(
          'What is no secret, such as the address of a server. A channel that is there keeps those that are not named; an empty one is taken away.',
        ),
    }),
    output: channelView.extend({
      hook: z.string().describe('Where a webhook is posted to: an address, or its path at the gateway. Empty: it is another kind.'),
      secret: z.string().describe('Of a webhook, made now and shown once. Empty: none was made.'),
      replaces: z.boolean().describe('There was a channel of this name: what it had for secrets is good no more.'),
    }),
    reveals: true,
    example: { kind: 'telegram', secrets: { token: '123456:ABC…' }, options: {} },
    keepsSecret: true,
    recordInput: ({ kind, name = kind, options, secrets }) => ({ kind, name, options, secrets: Object.keys(secrets) }),
    recordOutput: ({ name, state, why }) => ({ name, state, why }),
    async run({ kind, name = kind, secrets: given, options: chosen }, context) {
      const hooks = channelKind(kind).isWebhook === true ? await import('../hooks/webhooks.ts') : null
      const isHook = hooks !== null
      const made = isHook && !Object.hasOwn(given, 'secret') ? hooks.newWebhookSecret(core.random) : ''
      const secrets = made === '' ? given : { ...given, secret: made }
      const channels = await load()
      const before = (await channels.all()).find((each) => each.name === name)
      const options = checkedOptions({ name, kind, secrets, options: chosen }, before)
      hooks?.checkWebhook({ options, secrets })
      const of = ofCall(context, 'channel.add')
      const working = isHook || before === undefined ? null : await workingOf(core, channels, before, context.signal)
      await channels.add(of, { name, kind, secrets, options })
      const sender = { channel: name, space: '', sender: webhookSender, shown: name }
      // Who had other rights keeps them with another secret.
      if (isHook && (await channels.identities.find(name, '', webhookSender)) === null)
        await channels.identities.link(of, sender, { role: 'member', rights: [], groups: [] })
      await channels.settled(name, tryMs, context.signal)
      const { state, why } = channels.health(name)
      if (working !== null && state === 'failed') {
        await channels.add(of, working)
        throw new OxbowError('bad_input', `${name} goes on as it was, since this does not work: ${why}`, {
          hint: 'Nothing was changed.',
        })
      }
      const hook = hooks?.hookAddress(core, name) ?? ''
      return { output: { ...(await viewOf(channels, name)), hook, secret: made, replaces: before !== undefined } }
    },
  })
}

/** @returns a channel as it is, if it works */
async function workingOf(
  { secrets }: Pick<Core, 'secrets'>,
  channels: Channels,
  { name, kind, options, secrets: names, state }: ChannelDoc,
  signal: AbortSignal,
): Promise<ChannelSettings | null> {
  if (state !== 'on') return null
  await channels.settled(name, listMs, signal)
  const values = names.map((each) => [each, secrets.valueOf(secretName(name, each))] as const)
  if (channels.health(name).state !== 'up') return null
  return { name, kind, options, secrets: Object.fromEntries(values.filter((each): each is [string, string] => each[1] !== undefined)) }
}
