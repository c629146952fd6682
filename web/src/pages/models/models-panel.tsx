/** The model in use, and the catalog to choose another one from. */
import { Check, Search } from 'lucide-react'
import { type ReactNode, useDeferredValue, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import type { ModelFacts } from '../../../../src/protocol/index.ts'
import { callOf, useCall } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { useApplyConfig } from '../../data/settings.ts'
import { Button } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialog.tsx'
import { Select, TextField } from '../../ui/field.tsx'
import { Badge, Card, Facts } from '../../ui/layout.tsx'
import { countText } from '../../ui/numbers.ts'
import { Empty, Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'

export type ServiceView = OutputOf<'model.services'>['services'][number]

const shownModels = 60

export function ModelsPanel(): ReactNode {
  const services = useCall('model.services', {})
  const [search, setSearch] = useState('')
  const [provider, setProvider] = useState('')
  const words = useDeferredValue(search)
  const listed = useCall('model.list', { provider, search: words, limit: shownModels })
  const [wanted, setWanted] = useState<ModelFacts | null>(null)
  if (services.failure !== null) return <Problem failure={services.failure} onRetry={services.refresh} />
  if (services.data === undefined) return <Loading />
  const { model, fallback } = services.data
  const options = services.data.services.map(({ id, name }) => ({ value: id, label: name }))
  return (
    <>
      <Card title={`${model.provider}/${model.name}`} actions={<Badge tone="accent">answers</Badge>}>
        <Facts
          facts={[
            [
              'Context window',
              `${model.contextTokens.toLocaleString('en')} tokens, answers up to ${model.maxOutputTokens.toLocaleString('en')}`,
            ],
            ['Price of a million tokens', priceText(model)],
            ['Abilities', abilitiesOf(model).join(', ')],
            ...(fallback.length > 0 ? [['If it does not answer', fallback.join(', then ')] as const] : []),
          ]}
        />
      </Card>
      <div className="models-search">
        <TextField
          label="Find a model"
          isLabelHidden
          type="search"
          placeholder="Find a model"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <Select
          label="Service"
          isLabelHidden
          options={[{ value: '', label: 'All services' }, ...options]}
          value={provider}
          onChange={(event) => setProvider(event.target.value)}
        />
      </div>
      {listed.failure !== null ? (
        <Problem failure={listed.failure} onRetry={listed.refresh} />
      ) : listed.data === undefined ? (
        <Loading />
      ) : listed.data.total === 0 ? (
        <Empty title="No model has this name." icon={<Search />}>
          A model that the catalog lacks can be named in the settings, with its context window.
        </Empty>
      ) : (
        <>
          <ModelTable models={listed.data.models} current={model} onChoose={setWanted} />
          {listed.data.total > listed.data.models.length && (
            <p className="field-hint">
              {listed.data.models.length} of {listed.data.total.toLocaleString('en')} models. Search for the others.
            </p>
          )}
        </>
      )}
      <ChooseModel model={wanted} onClose={() => setWanted(null)} services={services.data.services} refresh={services.refresh} />
    </>
  )
}

interface ModelTableProps {
  readonly models: readonly ModelFacts[]
  readonly current: ModelFacts
  readonly onChoose: (model: ModelFacts) => void
}

function ModelTable({ models, current, onChoose }: ModelTableProps): ReactNode {
  return (
    <Table
      label="Models"
      rows={models}
      keyOf={({ provider, name }) => `${provider}/${name}`}
      current={`${current.provider}/${current.name}`}
      columns={[
        {
          title: 'Model',
          cell: ({ provider, name, deprecated }) => (
            <span className="models-name">
              {name} <span className="models-provider">{provider}</span> {deprecated && <Badge tone="warn">deprecated</Badge>}
            </span>
          ),
        },
        { title: 'Context', align: 'end', isMinor: true, cell: ({ contextTokens }) => countText(contextTokens) },
        { title: 'In / out, $ per million', align: 'end', cell: priceText },
        { title: 'Abilities', isMinor: true, cell: (model) => abilitiesOf(model).join(', ') },
        {
          title: 'Use',
          align: 'end',
          cell: (model) =>
            model.provider === current.provider && model.name === current.name ? (
              <Badge tone="accent">
                <Check className="models-check" aria-hidden="true" /> in use
              </Badge>
            ) : (
              <Button size="s" aria-label={`Use ${model.provider}/${model.name}`} onClick={() => onChoose(model)}>
                Use
              </Button>
            ),
        },
      ]}
    />
  )
}

function priceText({ price }: ModelFacts): string {
  if (price === null) return 'unknown'
  const dollars = (amount: number): string =>
    (amount / 1_000_000).toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 3 })
  return `${dollars(price.inputPerMillion)} / ${dollars(price.outputPerMillion)}`
}

function abilitiesOf({ input, tools, reasoning, structuredOutput }: ModelFacts): readonly string[] {
  const takes = input.filter((kind) => kind !== 'text')
  return [
    ...(tools ? ['tools'] : []),
    ...(reasoning ? ['reasoning'] : []),
    ...(structuredOutput ? ['structured output'] : []),
    ...(takes.length > 0 ? [`takes ${takes.join(', ')}`] : []),
  ]
}

interface ChooseModelProps {
  readonly model: ModelFacts | null
  readonly onClose: () => void
  readonly services: readonly ServiceView[]
  readonly refresh: () => void
}

/** Another model is a change of the configuration, and takes a restart. */
function ChooseModel({ model, onClose, services, refresh }: ChooseModelProps): ReactNode {
  const { client } = useGuest()
  const apply = useApplyConfig()
  const service = services.find(({ id }) => id === model?.provider)
  const use = async (): Promise<void> => {
    if (model === null) return
    const config = await apply.attempt(() => callOf(client, 'config.show', {}))
    if (config === undefined) return
    const changes = [
      { key: ['model', 'provider'], value: model.provider },
      { key: ['model', 'name'], value: model.name },
      // They belong to the model before.
      ...['base_url', 'api_key_env', 'context_tokens', 'max_output_tokens', 'input_price', 'output_price'].map((name) => ({
        key: ['model', name],
        value: null,
      })),
    ]
    if ((await apply.save({ changes }, config.hash)) === null || !(await apply.restart())) return
    onClose()
    refresh()
  }
  return (
    <Confirm
      title={model === null ? '' : `Use ${model.provider}/${model.name}?`}
      verb="Use and restart"
      isOpen={model !== null}
      onClose={onClose}
      onConfirm={() => void use()}
      isBusy={apply.isBusy}
    >
      <p>Every session without a model of its own uses it from now on. Oxbow restarts within a second.</p>
      {service?.key === 'missing' && (
        <p className="models-warning">{service.name} has no key here yet: add it under Services and keys, or it cannot answer.</p>
      )}
      <ProblemLine failure={apply.failure} />
    </Confirm>
  )
}
