/** Whether a guest would start with a configuration: opens what a start opens by it, and neither a store nor a sandbox. */
import { openEngine } from '../engine/index.ts'
import { openEgress } from '../sandbox/index.ts'
import { type GuestEnvelope, isOxbowError, systemClock, systemRandom } from '../types/index.ts'
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
  for (const open of [openModel, () => openEgress(config.egress), () => openSearch(config, env, openEgress)]) {
    try {
      await open()
    } catch (error) {
      if (!isOxbowError(error) || error.data['lacks_key'] !== true) throw error
    }
  }
}
