/** The first question: who answers. A service with a key, a model on this machine, any address, or nobody for now. */
import { type ReactNode, useState } from 'react'
import { ownValue } from '../../../../src/base/index.ts'
import type { AddressModels, FoundService } from '../../../../src/protocol/index.ts'
import {
  builtinProviders,
  keyNameOf,
  minContextTokens,
  type ModelChoice,
  tooFewContextTokens,
  usualContextTokens,
} from '../../../../src/config/index.ts'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Select, TextField } from '../../ui/field.tsx'
import { NoticeBar } from '../../ui/states.tsx'
import { Choice, type ChoiceOption } from './choice.tsx'

export interface ModelAnswer {
  readonly kind: ModelChoice['kind']
  readonly provider: string
  readonly model: string
  readonly key: string
  readonly baseUrl: string
  readonly contextTokens: string
  /** Dollars per million tokens, as typed. */
  readonly inputPrice: string
  readonly outputPrice: string
  readonly service: FoundService | null
}

/** @returns which field keeps the answer from being one; empty: none */
export function problemOfModel({ kind, provider, model, baseUrl, contextTokens, inputPrice, outputPrice, service }: ModelAnswer): string {
  if (kind === 'service') return model === '' && ownValue(builtinProviders, provider)?.defaultModel === '' ? 'model' : ''
  if (kind === 'local') return service === null || model === '' ? 'service' : ''
  if (kind === 'address') {
    if (!URL.canParse(baseUrl)) return 'address'
    if (model === '') return 'model'
    if (!/^\d{0,9}$/.test(contextTokens) || isTooSmall(contextTokens)) return 'size'
    return [inputPrice, outputPrice].every((price) => price === '' || pricePerMillion(price) !== null) ? '' : 'price'
  }
  return ''
}

/** @returns whether a window is given, and is too small for a turn */
function isTooSmall(contextTokens: string): boolean {
  return contextTokens !== '' && Number(contextTokens) < minContextTokens
}

/** @returns micro-dollars per million tokens; null: it is no price */
function pricePerMillion(dollars: string): number | null {
  const price = Number(dollars.trim().replace(',', '.'))
  return dollars.trim() !== '' && Number.isFinite(price) && price >= 0 ? Math.round(price * 1_000_000) : null
}

/** @returns null unless both are known */
export function priceOf({ inputPrice, outputPrice }: ModelAnswer): { readonly input: number; readonly output: number } | null {
  const [input, output] = [pricePerMillion(inputPrice), pricePerMillion(outputPrice)]
  return input === null || output === null ? null : { input, output }
}

export function choiceOf(answer: ModelAnswer): ModelChoice {
  const { kind, provider, model, baseUrl, contextTokens, service } = answer
  if (kind === 'local' && service !== null) return { kind, service, model }
  if (kind === 'address')
    return { kind, baseUrl, model, contextTokens: contextTokens === '' ? null : Number(contextTokens), price: priceOf(answer) }
  return kind === 'service' ? { kind, provider, model } : { kind: 'offline' }
}

const kinds: readonly ChoiceOption<ModelChoice['kind']>[] = [
  { value: 'service', title: 'A service, with a key', text: 'OpenAI, Anthropic, Google and others. You pay them for what you use.' },
  { value: 'local', title: 'A model on this machine', text: 'Ollama, LM Studio, llama.cpp, vLLM. Nothing leaves the machine.' },
  { value: 'address', title: 'Another address', text: 'Anything that speaks the protocol of OpenAI.' },
  {
    value: 'offline',
    title: 'No model yet',
    text: 'Look around: a small interpreter understands plain requests about files and commands.',
  },
]

interface ModelStepProps {
  readonly answer: ModelAnswer
  readonly onChange: (answer: ModelAnswer) => void
}

export function ModelStep({ answer, onChange }: ModelStepProps): ReactNode {
  return (
    <>
      <Choice
        label="Who should answer?"
        options={kinds}
        value={answer.kind}
        onChange={(kind) => onChange({ ...answer, kind, model: '', key: '', service: null })}
      />
      {answer.kind === 'service' && <ServiceFields answer={answer} onChange={onChange} />}
      {answer.kind === 'local' && <LocalFields answer={answer} onChange={onChange} />}
      {answer.kind === 'address' && <AddressFields answer={answer} onChange={onChange} />}
    </>
  )
}

const services = Object.entries(builtinProviders)
  .filter(([, { keyEnv, baseUrl }]) => keyEnv.length > 0 && baseUrl !== '')
  .map(([value, { name }]) => ({ value, label: name }))

function ServiceFields({ answer, onChange }: ModelStepProps): ReactNode {
  const known = useCall('model.services', {})
  const hasKey = known.data?.services.some(({ id, key }) => id === answer.provider && key === 'present') ?? false
  const usual = ownValue(builtinProviders, answer.provider)?.defaultModel ?? ''
  return (
    <div className="setup-fields">
      <Select
        label="Service"
        options={services}
        value={answer.provider}
        onChange={(event) => onChange({ ...answer, provider: event.target.value })}
      />
      <KeyField
        answer={answer}
        onChange={onChange}
        hint={
          hasKey
            ? `There is a key already. A new one replaces it.`
            : `Stored encrypted as ${keyNameOf(answer.provider)}, and never shown again.`
        }
      />
      <TextField
        label="Model"
        placeholder={usual === '' ? 'The name that the service uses' : `${usual}, unless you name another`}
        value={answer.model}
        spellCheck={false}
        onChange={(event) => onChange({ ...answer, model: event.target.value.trim() })}
      />
    </div>
  )
}

function KeyField({ answer, onChange, hint }: ModelStepProps & { readonly hint: string }): ReactNode {
  return (
    <TextField
      label="Key"
      type="password"
      autoComplete="off"
      placeholder="sk-…"
      hint={hint}
      value={answer.key}
      onChange={(event) => onChange({ ...answer, key: event.target.value })}
    />
  )
}

function LocalFields({ answer, onChange }: ModelStepProps): ReactNode {
  const { data, failure, isLoading, refresh } = useCall('model.discover', {})
  const options = (data?.services ?? []).flatMap((service) =>
    service.models.map(({ name }) => ({ service, name, value: `${service.id} ${name}`, label: `${name} (${service.name})` })),
  )
  const chosen = options.find(({ service, name }) => service.id === answer.service?.id && name === answer.model)
  const choose = (value: string): void => {
    const found = options.find((option) => option.value === value)
    onChange({ ...answer, service: found?.service ?? null, model: found?.name ?? '' })
  }
  return (
    <div className="setup-fields">
      {options.length > 0 ? (
        <Select
          label="Model"
          options={[{ value: '', label: 'Choose one' }, ...options]}
          value={chosen?.value ?? ''}
          onChange={(event) => choose(event.target.value)}
        />
      ) : (
        <p className="setup-note" role="status">
          {isLoading
            ? 'Looking for model services on this machine…'
            : (failure?.message ?? 'No model service answers on this machine. Start one, for example Ollama, and look again.')}
        </p>
      )}
      <div>
        <Button size="s" isBusy={isLoading} onClick={refresh}>
          Look again
        </Button>
      </div>
    </div>
  )
}

function offeredText(offered: AddressModels['models']): string | undefined {
  if (offered === null) return 'The service did not list its models: type the name.'
  return offered.length === 0 ? undefined : `The service offers ${offered.length} ${offered.length === 1 ? 'model' : 'models'}.`
}

/** @param url empty: no better address */
function BetterAddress({ url, onUse }: { readonly url: string; readonly onUse: () => void }): ReactNode {
  if (url === '') return null
  return (
    <NoticeBar tone="warn" role="status">
      This address lists no models, and {url} does.{' '}
      <Button size="s" onClick={onUse}>
        Use it
      </Button>
    </NoticeBar>
  )
}

function AddressFields({ answer, onChange }: ModelStepProps): ReactNode {
  const canAsk = /^https?:\/\/./.test(answer.baseUrl) && URL.canParse(answer.baseUrl)
  const probe = useAction()
  const [{ models: offered, betterUrl }, setFound] = useState<Pick<AddressModels, 'models' | 'betterUrl'>>({ models: [], betterUrl: '' })
  const look = (baseUrl = answer.baseUrl): void => {
    const nothing = { models: null, betterUrl: '' }
    if (canAsk) void probe.run('model.probe', { base_url: baseUrl, model: '' }).then((found) => setFound(found ?? nothing))
  }
  const takeBetter = (): void => {
    onChange({ ...answer, baseUrl: betterUrl })
    look(betterUrl)
  }
  return (
    <div className="setup-fields">
      <datalist id="setup-offered">
        {(offered ?? []).map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <TextField
        label="Address"
        type="url"
        placeholder="http://127.0.0.1:8000/v1"
        value={answer.baseUrl}
        onBlur={() => look()}
        onChange={(event) => onChange({ ...answer, baseUrl: event.target.value.trim() })}
      />
      <BetterAddress url={betterUrl} onUse={takeBetter} />
      <TextField
        label="Model"
        list="setup-offered"
        hint={offeredText(offered)}
        placeholder="The name that the service uses"
        spellCheck={false}
        value={answer.model}
        onChange={(event) => onChange({ ...answer, model: event.target.value.trim() })}
      />
      <TextField
        label="Context window in tokens"
        inputMode="numeric"
        placeholder={String(usualContextTokens)}
        hint={`Empty: what the service or the catalog says, else ${usualContextTokens}.`}
        problem={isTooSmall(answer.contextTokens) ? tooFewContextTokens : ''}
        value={answer.contextTokens}
        onChange={(event) => onChange({ ...answer, contextTokens: event.target.value.trim() })}
      />
      <PriceFields answer={answer} onChange={onChange} />
      <KeyField answer={answer} onChange={onChange} hint="Empty if the service needs none." />
    </div>
  )
}

function PriceFields({ answer, onChange }: ModelStepProps): ReactNode {
  return (
    <div className="setup-row">
      <TextField
        label="Dollars for a million tokens in"
        inputMode="decimal"
        placeholder="0"
        value={answer.inputPrice}
        onChange={(event) => onChange({ ...answer, inputPrice: event.target.value })}
      />
      <TextField
        label="And out"
        inputMode="decimal"
        placeholder="0"
        hint="Needed for a budget in dollars; 0 if it costs nothing."
        value={answer.outputPrice}
        onChange={(event) => onChange({ ...answer, outputPrice: event.target.value })}
      />
    </div>
  )
}
