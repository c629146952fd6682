/**
 * Webhooks, at `/hooks/NAME`: anybody can post there, and only what is signed with the secret of the channel is taken. The kernel judges it, so
 * that what was refused is on record; who is refused again and again is not heard any more.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRecentMap, isOxbowError, OxbowError } from '../../base/index.ts'
import { type Clients, TooMany } from '../clients.ts'
import { describeFailure } from '../frames.ts'
import { readPieces } from './request-body.ts'
import { sendJson, sendProblem, wrongMethod } from './send-json.ts'

export interface HooksDeps {
  readonly clients: Pick<Clients, 'stranger' | 'addressOf'>
  readonly onBug: (error: unknown) => void
  readonly now: () => number
}

const maxBodyBytes: number = 1024 * 1024
const maxHeaderChars = 1_000
/** What is refused of one address in a day and is on record; more only costs the sender time. */
const refusalsPerDay = 20
const dayMs: number = 24 * 60 * 60_000
const keptAddresses = 5_000
const busyS = 60

/** Senders of webhooks put what a body is and its signature into headers of their own; no other header is passed on. */
const passed = /^(?:webhook|x)-[a-z0-9-]{1,50}$/

export function createHooks({ clients, onBug, now }: HooksDeps) {
  const refusals = createRecentMap<string, readonly number[]>(keptAddresses)
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST') throw wrongMethod(['POST'])
    const { pathname } = new URL(request.url ?? '', 'http://gateway')
    const channel = pathname.slice('/hooks/'.length).slice(0, 50)
    const address = clients.addressOf(request)
    const before = (refusals.get(address) ?? []).filter((at) => now() - at < dayMs)
    if (before.length >= refusalsPerDay) throw new TooMany('Too many webhooks of this address were refused.', dayMs / 1_000)
    const client = clients.stranger(request)
    client.take?.()
    const read = await bodyOf(request)
    const outcome = await client.kernel.call('channel.hook', { channel, headers: headersOf(request), ...read })
    if (outcome.status !== 'ok') {
      const { code, message, hint } = outcome.failure
      refusals.put(address, [...(refusals.get(address) ?? []).filter((at) => now() - at < dayMs), now()])
      // The hint is for the owner, who finds it in the journal.
      throw new OxbowError(code, message, { hint: code === 'unauthenticated' || code === 'denied' ? '' : hint })
    }
    const { became, why } = outcome.output as { readonly became: string; readonly why: string }
    // The sender tries again.
    if (became === 'refused') throw new TooMany(`The webhook is not taken now: ${why}.`, busyS)
    sendJson(response, 202, { ok: true, became: why === 'known' ? 'known' : became, ...(became === 'ignored' && { why }) })
  }
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      await answer(request, response)
    } catch (error) {
      const failure = describeFailure(error, onBug)
      if (response.headersSent) return void response.destroy()
      sendProblem(response, failure, error, error instanceof TooMany ? error.retryAfterS : undefined)
    }
  }
}

/** A body that is too large is on record, too, without its content. */
async function bodyOf(request: IncomingMessage): Promise<{ readonly body: string; readonly too_large: boolean }> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of readPieces(request, maxBodyBytes, maxBodyBytes)) pieces.push(piece)
  } catch (error) {
    if (!isOxbowError(error, 'limit_reached')) throw error
    return { body: '', too_large: true }
  }
  return { body: Buffer.concat(pieces).toString('base64'), too_large: false }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const shown = Object.entries(headers).filter(([name]) => passed.test(name))
  return Object.fromEntries(shown.map(([name, value]) => [name, String(value ?? '').slice(0, maxHeaderChars)]))
}
