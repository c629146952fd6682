/** Whether a guest would start with a configuration: opens what a start opens by it, and neither a store nor a sandbox. */
import { openEngine } from '../engine/index.ts'
import { checkGateway } from '../gateway/index.ts'
import { openEgress } from '../sandbox/index.ts'
import { type GuestEnvelope, isOxbowError, systemClock, systemRandom } from '../types/index.ts'
import { assertReachable } from './guest-store.ts'
import { openSearch } from './host-ways.ts'

/** @throws OxbowError `bad_config` with what a start would fail with. A missing key is no fault of the configuration. */
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
    await engine.close()
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
