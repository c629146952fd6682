/** Calls about an answer that others read or hear: whether it may be shown to them, and what speaks it. */
import { z } from 'zod'
import { processRight as runtimeRight } from '../../../kernel/index.ts'
import { OxbowError } from '../../../base/index.ts'
import { type Call, defineCall } from '../../../protocol/index.ts'
import { answerCall } from '../channel-records.ts'
import { channelName, deliveryId, pieceHash, platformId } from '../channel-schemas.ts'
import { ofCall, ofProcess } from '../channel-deps.ts'
import type { LoadChannels } from '../open-channels.ts'
import type { Released } from './releases.ts'

/** Seconds that a person is waited for at once. */
const longestWaitS = 600

export const answerCalls = (load: LoadChannels): readonly Call[] => [releaseCall(load), speakCall(load), answerCallOf()]

function releaseCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.release',
    summary: 'Says whether others may be shown an answer; where it may tell private data, the owner is asked.',
    timeoutMs: (longestWaitS + 30) * 1_000,
    input: z.strictObject({
      delivery: deliveryId,
      growing: z.boolean().default(false).describe('The answer is still being written: nobody is asked.'),
      wait_s: z.int().min(0).max(longestWaitS).default(0).describe('How long to wait for the owner.'),
    }),
    output: z.strictObject({ released: z.enum(['allowed', 'denied', 'waits']) }),
    example: { delivery: '01890a5d', growing: false, wait_s: 0 },
    recordOutput: (output) => ({ ...output }),
    async run({ delivery: id, growing, wait_s }, context) {
      const { outbox, releases } = await load()
      const found = await outbox.find(id)
      if (found === null) throw new OxbowError('not_found', `There is no delivery ${id}.`, { hint: '`oxbow channel log` lists them.' })
      const shown = async (): Promise<Released> => ((await releases.mayShow(found)) ? 'allowed' : 'waits')
      const asked = () => releases.release(ofCall(context, 'channel.release'), found, wait_s * 1_000, context.signal)
      return { output: { released: growing ? await shown() : await asked() } }
    },
  })
}

/** Longer than `voice.speak` may take. */
const speakMs: number = 12 * 60_000

function speakCall(load: LoadChannels): Call {
  return defineCall({
    ...ofProcess,
    name: 'channel.speak',
    summary: 'Speaks an answer that others may be shown; where that fails, a note says why.',
    timeoutMs: speakMs,
    input: z.strictObject({ delivery: deliveryId }),
    output: z.strictObject({
      media_type: z.string(),
      pieces: z.array(pieceHash).readonly().describe('Of the audio, in order; none: it is not spoken.'),
    }),
    example: { delivery: '01890a5d' },
    recordOutput: ({ media_type, pieces }) => ({ media_type, pieces }),
    async run({ delivery: id }, context) {
      const { outbox, releases, speak } = await load()
      const of = ofCall(context, 'channel.speak')
      const found = await outbox.find(id)
      const isShown = found?.spoken === true && (await releases.release(of, found, 0, context.signal)) === 'allowed'
      if (!isShown) return { output: { media_type: '', pieces: [] } }
      const { note, ...audio } = await speak(found, context.signal)
      if (note !== null) await outbox.make(of, note)
      return { output: audio }
    },
  })
}

/** Made by the guest itself. Only a person allows it, whatever the mode. */
function answerCallOf(): Call {
  return defineCall({
    ...ofProcess,
    name: answerCall,
    summary: 'Shows others an answer that may tell private data.',
    right: runtimeRight,
    audience: ['runtime'],
    labels: { adds: [], sink: true },
    forModel: true,
    asks: ({ channel, chat }) => `others in ${channel}, chat ${chat}, will read this answer, and it may tell private data`,
    personal: true,
    input: z.strictObject({
      channel: channelName,
      chat: platformId,
      text: z.string(),
      files: z.array(z.string()).default([]).describe('Files that come along, by their names.'),
    }),
    output: z.strictObject({}),
    example: { channel: 'telegram', chat: '-1001000', text: 'The meeting is at ten.', files: [] },
    run: async () => ({ output: {} }),
  })
}
