/** Settings in the order of elizaOS, runs, and the model parameters that settings give. */
import { randomUUID } from 'node:crypto'
import type { ElizaRuntime, RunState, RuntimeDeps, SettingMethods } from './runtime-types.ts'
import { setOwn, ownValue } from '../../base/index.ts'

const defaultConversationLength = 32

/** Parameters of models by the name that settings use; the last is the older name of some. */
const modelParameters = [
  ['maxTokens', 'MAX_TOKENS', 'MODEL_MAX_TOKEN'],
  ['temperature', 'TEMPERATURE', 'MODEL_TEMPERATURE'],
  ['topP', 'TOP_P'],
  ['topK', 'TOP_K'],
  ['minP', 'MIN_P'],
  ['seed', 'SEED'],
  ['repetitionPenalty', 'REPETITION_PENALTY'],
  ['frequencyPenalty', 'FREQUENCY_PENALTY', 'MODEL_FREQ_PENALTY'],
  ['presencePenalty', 'PRESENCE_PENALTY', 'MODEL_PRESENCE_PENALTY'],
] as const

export function settingMethods(self: ElizaRuntime, run: RunState, { core, settings }: RuntimeDeps): SettingMethods {
  const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
  return {
    createRunId: () => randomUUID(),
    startRun(roomId) {
      run.runId = self.createRunId()
      run.roomId = roomId
      return run.runId
    },
    endRun() {
      run.runId = undefined
      run.roomId = undefined
    },
    getCurrentRunId: () => (run.runId ??= self.createRunId()),
    setSetting(key, value, secret = false) {
      const kind = secret ? 'secrets' : 'settings'
      if (value !== null && value !== undefined) setOwn((self.character[kind] ??= {}), key, value)
      else self.character[kind] ??= {}
    },
    getSetting(key) {
      const { secrets, settings: own } = self.character
      const nested: unknown = own?.['secrets']
      // An empty text counts as missing, as in elizaOS.
      const value: unknown =
        ownValue(secrets, key) || ownValue(own, key) || (isMap(nested) ? ownValue(nested, key) : undefined) || ownValue(settings, key)
      if (typeof value === 'number' || typeof value === 'boolean') return value
      if (typeof value !== 'string') return null
      const plain = core.decryptStringValue(value, core.getSalt())
      return plain === 'true' ? true : plain === 'false' ? false : plain
    },
    getConversationLength: () => defaultConversationLength,
    mergeAgentSettings({ settings: stored }) {
      if (!isMap(stored)) return
      const own = (self.character.settings = { ...stored, ...self.character.settings })
      const merged = [stored['secrets'], self.character.secrets, own['secrets']].map((some) => (isMap(some) ? some : {}))
      const secrets = Object.fromEntries(Object.entries(Object.assign({}, ...merged) as object).filter(([, value]) => value !== null))
      if (Object.keys(secrets).length === 0) return
      self.character.secrets = secrets
      own['secrets'] = secrets
    },
    getModelSettings(modelType) {
      const found: Record<string, number> = {}
      for (const [parameter, name, older] of modelParameters) {
        const keys = [...(modelType ? [`${modelType}_${name}`] : []), `DEFAULT_${name}`, ...(older === undefined ? [] : [older])]
        for (const key of keys) {
          const value = self.getSetting(key)
          if (value === null || Number.isNaN(Number(value))) continue
          found[parameter] = Number(value)
          break
        }
      }
      return Object.keys(found).length > 0 ? found : null
    },
  }
}
