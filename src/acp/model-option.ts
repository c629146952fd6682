/** The model of a session's next messages, as an option that the editor shows in its own menu. */
import type { SessionConfigOption } from '@agentclientprotocol/sdk'
import { OxbowError } from '../base/index.ts'
import type { GuestLink } from './guest-link.ts'
import { listedModels } from './limits.ts'

export interface ModelChoice {
  /** Absent: the guest's own. */
  model(): string | undefined
  /** @throws OxbowError */
  options(): Promise<SessionConfigOption[]>
  /** @throws OxbowError `bad_input` for an option or a model that was not offered */
  choose(option: string, value: unknown): Promise<void>
}

const optionId = 'model'

export function createModelChoice(link: GuestLink): ModelChoice {
  let chosen: string | undefined
  const offer = async (): Promise<{ readonly usual: string; readonly names: readonly string[] }> => {
    const gateway = await link.gateway()
    const [{ model: usual }, outcome] = await Promise.all([
      gateway.status(),
      gateway.call('model.usable', { model: '', limit: listedModels }),
    ])
    // A guest that cannot tell still has its own model.
    const { models } = outcome.status === 'ok' ? outcome.output : { models: [] }
    return { usual, names: [...new Set([usual, ...(chosen === undefined ? [] : [chosen]), ...models.map(({ id }) => id)])] }
  }
  return {
    model: () => chosen,
    async options() {
      const { usual, names } = await offer()
      const options = names.map((name) => ({ value: name, name, ...(name === usual && { description: 'As configured' }) }))
      const currentValue = chosen ?? usual
      return [
        { id: optionId, name: 'Model', description: 'Of the next messages.', category: 'model', type: 'select', currentValue, options },
      ]
    },
    async choose(option, value) {
      if (option !== optionId)
        throw new OxbowError('bad_input', `There is no option ${option.slice(0, 50)}.`, { hint: 'The option is model.' })
      const { usual, names } = await offer()
      if (typeof value !== 'string' || !names.includes(value))
        throw new OxbowError('bad_input', `There is no model ${String(value).slice(0, 100)} to choose.`, {
          hint: '`oxbow models` lists providers and what they need.',
        })
      chosen = value === usual ? undefined : value
    },
  }
}
