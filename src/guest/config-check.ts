/** Whether a guest would start with a configuration: opens what a start would open, except the store and the sandbox. */
import { openEngine } from '../engine/index.ts'
import { checkGateway } from '../gateway/index.ts'
import { openEgress } from '../sandbox/index.ts'
import { isOxbowError, OxbowError, systemClock, systemRandom } from '../base/index.ts'
import { type ModelFacts, modelLabel } from '../protocol/index.ts'
import { type GuestEnvelope, minContextTokens, minRequestTokens, tooFewContextTokens } from '../config/index.ts'
import { assertReachable } from './store-place.ts'
import { openSearch } from './host-ways.ts'

/** @throws OxbowError `bad_config` with what a start or the first turn would fail with. A missing key is no fault of the configuration. */
export async function checkConfig({ config, keys: env, catalogFolder }: GuestEnvelope): Promise<void> {
  const openModel = async (): Promise<void> => {
    const engine = await openEngine({
      config,
      env,
      ...(catalogFolder !== undefined && { catalogFolder }),
      // Opening asks no model.
      askPlugin: () => Promise.reject(new Error('a check asks no model')),
      clock: systemClock,
      random: systemRandom,
    })
    const { model } = engine
    await engine.close()
    assertRoom(model)
  }
  const checkListening = (): Promise<void> => checkGateway(config.gateway, config.sandbox.isolate_guest)
  const assertStore = async (): Promise<void> => assertReachable({ config: config.store, environment: env }, config.sandbox.isolate_guest)
  for (const open of [checkListening, assertStore, openModel, () => openEgress(config.egress), () => openSearch(config, env, openEgress)]) {
    try {
      await open()
    } catch (error) {
      if (!isOxbowError(error) || error.data['lacks_key'] !== true) throw error
    }
  }
}

/** A start does not check this: an agent with few tools may do with less. @throws OxbowError `bad_config` */
function assertRoom(facts: ModelFacts): void {
  const { provider, contextTokens, maxOutputTokens } = facts
  // A recording has no window.
  if (provider === 'replay') return
  const label = modelLabel(facts)
  if (contextTokens < minContextTokens)
    throw new OxbowError('bad_config', `the context window of ${label}, ${contextTokens} tokens, is too small`, {
      hint: tooFewContextTokens,
    })
  if (contextTokens - maxOutputTokens < minRequestTokens)
    throw new OxbowError('bad_config', `an answer of ${label} may take ${maxOutputTokens} of the ${contextTokens} tokens of its window`, {
      hint: `Lower model.max_output_tokens to at most ${contextTokens - minRequestTokens}: a request takes at least ${minRequestTokens} tokens.`,
    })
}
