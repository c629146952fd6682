/** `oxbow secret`, and the encryption of the store: answered by a guest program that does nothing else. */
import { join } from 'node:path'
import { answerKeys, storeAddress, storedSecrets } from '../store/index.ts'
import { type GuestEnvelope, type KeyQuestion, type KeyReport, OxbowError, systemClock, toFailure } from '../types/index.ts'

export function answerKeyQuestion(question: KeyQuestion, envelope: GuestEnvelope): Promise<KeyReport> {
  const { masterKeys = [] } = envelope
  if (masterKeys.length === 0) throw new Error('the envelope has no master keys')
  return answerKeys(question, { place: placeOf(envelope), masters: masterKeys, clock: systemClock })
}

/** @returns the envelope with the secrets that its configuration names; what the host's environment has goes before them */
export async function withStoredSecrets(envelope: GuestEnvelope): Promise<GuestEnvelope> {
  const { wantedKeys = [], masterKeys = [] } = envelope
  if (wantedKeys.length === 0 || masterKeys.length === 0) return envelope
  try {
    const found = await storedSecrets(wantedKeys, { place: placeOf(envelope), masters: masterKeys, clock: systemClock })
    const unused = Object.entries(found).filter(([name, value]) => (envelope.keys[name] ?? value) !== value)
    return { ...envelope, keys: { ...found, ...envelope.keys }, unusedSecrets: Object.fromEntries(unused) }
  } catch (error) {
    // A store that has still to be brought up to date has none, and one that fails says so itself.
    if (error instanceof OxbowError && error.code === 'denied') throw error
    console.error(`secrets cannot be read: ${toFailure(error, 'store_failed', '').message}`)
    return envelope
  }
}

function placeOf({ user, workspaceRoot, config, keys }: GuestEnvelope) {
  const url = storeAddress({ config: config.store, environment: keys })
  return { user, url, file: join(workspaceRoot, 'internal', 'oxbow.db') }
}
