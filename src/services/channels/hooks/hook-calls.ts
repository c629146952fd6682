/** Calls of webhooks: what the gateway was posted, and what the process of channels posts to others. */
import { z } from 'zod'
import type { Core } from '../../../kernel/index.ts'
import { createRecentMap, isOxbowError, type JsonObject, OxbowError } from '../../../base/index.ts'
import { type Call, defineCall } from '../../../protocol/index.ts'
import { channelKind } from '../setup/channel-kinds.ts'
import { manageRight, processRight, secretName, webhookSender } from '../channel-records.ts'
import { channelName, platformId } from '../channel-schemas.ts'
import { maxHookAgeMs, maxHookBytes, maxHookSignatures, maxTextLength, postMs } from '../limits.ts'
import type { Channels } from '../open-channels.ts'

type Load = () => Promise<Channels>

const shared = {
  audience: ['terminal'],
  tier: 'side_effecting',
  effect: 'idempotent',
  labels: { adds: [], sink: false },
  timeoutMs: 30_000,
} as const satisfies Partial<Call>

/** @param core absent fields where calls are only described */
export function hookCalls(core: Pick<Core, 'clock' | 'secrets' | 'host'>, load: Load): readonly Call[] {
  return [hookCall(core, load), postCall(core, load)]
}

const maxHeaderChars = 1_000
const base64Chars = Math.ceil(maxHookBytes / 3) * 4

function hookCall({ clock, secrets }: Pick<Core, 'clock' | 'secrets'>, load: Load): Call {
  const seen = createRecentMap<string, number>(maxHookSignatures)
  return defineCall({
    ...shared,
    name: 'channel.hook',
    summary: 'Takes in what was posted to a webhook, if its signature is right.',
    right: manageRight,
    input: z.strictObject({
      channel: channelName,
      headers: z.record(z.string().max(60), z.string().max(maxHeaderChars)).describe('Those with a signature, an id, a time and an event.'),
      body: z.string().max(base64Chars).describe('As base64.'),
      too_large: z.boolean().default(false).describe('Whether the body was too large to be read.'),
    }),
    output: z.strictObject({ became: z.string(), why: z.string(), turn: z.string() }),
    example: { channel: 'github', headers: { 'x-github-event': 'ping' }, body: 'e30=', too_large: false },
    // What was posted stands in the message that it becomes; what is refused is nowhere kept.
    recordInput: ({ channel, headers, body, too_large }) => ({
      channel,
      id: headers['webhook-id'] ?? headers['x-github-delivery'] ?? '',
      event: headers['x-github-event'] ?? '',
      bytes: Buffer.byteLength(body, 'base64'),
      too_large,
    }),
    recordOutput: (output) => ({ ...output }),
    async run({ channel: name, headers, body, too_large }, { caller, id }) {
      if (too_large) throw new OxbowError('limit_reached', `The body has more than ${maxHookBytes} bytes.`, { hint: 'Send less at once.' })
      const channels = await load()
      const channel = (await channels.all()).find((each) => each.name === name && channelKind(each.kind).isWebhook === true)
      // Whoever guesses names learns none.
      if (channel === undefined)
        throw new OxbowError('unauthenticated', 'The webhook is refused.', { hint: '`oxbow channel list` lists channels.' })
      const secret = secrets.valueOf(secretName(name, 'secret')) ?? ''
      const { readHook } = await import('./webhooks.ts')
      const message = readHook(channel.options, secret, { headers, body: Buffer.from(body, 'base64') }, clock.now())
      if (message === null) return { output: { became: 'ignored', why: 'it says nothing', turn: '' } }
      const signature = headers['webhook-signature'] ?? ''
      const before = signature === '' ? undefined : seen.get(`${name} ${signature}`)
      // A sender that tries again signs another time; the same signature once more is a recording.
      if (before !== undefined && clock.now() - before < 2 * maxHookAgeMs)
        throw new OxbowError('denied', 'The webhook is refused: it was received before.', { hint: 'Sign a new time for each attempt.' })
      const decided = await channels.receive(
        { caller, call: id, name: 'channel.hook' },
        {
          channel: name,
          space: '',
          ...message,
          kind: 'direct',
          sender: webhookSender,
          // The session has it as its title.
          shown: message.chat,
          is_bot: false,
          is_verified: true,
          at: clock.now(),
          change: 'new',
          mentions_us: false,
          replies_to_us: false,
          quoted: [],
          files: [],
          automatic: '',
        },
      )
      if (signature !== '' && decided.became === 'turn') seen.put(`${name} ${signature}`, clock.now())
      return { output: { became: decided.became, why: decided.why, turn: decided.turn } }
    },
  })
}

function postCall({ clock, secrets, host }: Pick<Core, 'clock' | 'secrets' | 'host'>, load: Load): Call {
  return defineCall({
    ...shared,
    name: 'channel.post',
    summary:
      'Posts an answer to the address of a webhook, signed, under the egress policy. Repeated with the same id it is the same to its receiver.',
    right: processRight,
    input: z.strictObject({
      channel: channelName,
      id: platformId.min(1).describe('Sent as `webhook-id`.'),
      chat: platformId,
      thread: platformId.default(''),
      text: z.string().max(maxTextLength),
      file: z
        .strictObject({ name: z.string().max(300), data: z.string().max(base64Chars) })
        .nullable()
        .default(null)
        .describe('As base64.'),
    }),
    output: z.strictObject({
      status: z.int().describe('Of HTTP; 0: there was no answer.'),
      retry_after_s: z.number(),
      why: z.string(),
    }),
    example: { channel: 'github', id: 'msg_1', chat: 'main', thread: '', text: 'Done.', file: null },
    recordInput: ({ channel, id, chat, text }) => ({ channel, id, chat, characters: text.length }),
    recordOutput: (output) => output as unknown as JsonObject,
    async run({ channel: name, id, ...said }, { signal }) {
      const { options } = await (await load()).get(name)
      const address = URL.parse(options['url'] ?? '')
      const open = host?.openFetch
      if (address === null || open === undefined)
        throw new OxbowError('bad_config', `The channel ${name} has no address for answers.`, {
          hint: 'oxbow channel add webhook --option url=…',
        })
      const { signerOf } = await import('./webhooks.ts')
      const at = new Date(clock.now())
      const body = JSON.stringify({ type: 'message', ...said })
      const headers = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': signerOf(secrets.valueOf(secretName(name, 'secret')) ?? '').sign(id, at, body),
      }
      try {
        const fetch = await open(address.host, [])
        const answer = await fetch(address.href, {
          method: 'POST',
          headers,
          body,
          signal: AbortSignal.any([signal, AbortSignal.timeout(postMs)]),
        })
        await answer.body?.cancel()
        return { output: { status: answer.status, retry_after_s: Number(answer.headers.get('retry-after')) || 0, why: '' } }
      } catch (error) {
        if (signal.aborted || isOxbowError(error, 'denied')) throw error
        return { output: { status: 0, retry_after_s: 0, why: isOxbowError(error) ? error.message : 'there was no answer' } }
      }
    },
  })
}
