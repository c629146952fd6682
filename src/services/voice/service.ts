import type { Service } from '../../kernel/index.ts'
import { voiceConfig } from './config.ts'

export { voiceConfig } from './config.ts'

/** Hears voice messages and speaks answers, by a model of a service or programs of the person. Off until `[voice]` names one. */
export const voice: Service = {
  name: 'voice',
  config: [voiceConfig],
  calls: async (core) => (await import('./voice-calls.ts')).voiceCalls(core),
}
