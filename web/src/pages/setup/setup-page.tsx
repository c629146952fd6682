/** The first run: a model, a limit of spending, an isolation. Ends in a working chat. The answers are saved at the end, all at once. */
import { Check } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { DoctorCheck, SandboxTier } from '../../../../src/protocol/index.ts'
import { keyNameOf, type ModelChoice, setupChanges } from '../../../../src/config/index.ts'
import { dismissSetup } from '../../app/first-run.ts'
import { navigate } from '../../app/router.tsx'
import { callOf, useCall } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { useApplyConfig } from '../../data/settings.ts'
import { Button } from '../../ui/button.tsx'
import { Page } from '../../ui/layout.tsx'
import { Loading, NoticeBar, Problem, ProblemLine, WithCode } from '../../ui/states.tsx'
import { BudgetStep, type BudgetAnswer, microDollarsOf } from './budget-step.tsx'
import { type ModelAnswer, ModelStep, priceOf, problemOfModel, choiceOf } from './model-step.tsx'
import { TierStep } from './tier-step.tsx'
import './setup.css'

const steps = ['Model', 'Budget', 'Isolation'] as const

export default function SetupPage(): ReactNode {
  const config = useCall('config.show', {})
  if (config.failure !== null) return <Problem failure={config.failure} onRetry={config.refresh} />
  if (config.data === undefined) return <Loading />
  return <Setup locked={config.data.locked} />
}

interface Answers {
  readonly model: ModelAnswer
  readonly budget: BudgetAnswer
  readonly tier: SandboxTier | null
}

const noAnswers: Answers = {
  model: {
    kind: 'service',
    provider: 'openai',
    model: '',
    key: '',
    baseUrl: '',
    contextTokens: '',
    inputPrice: '',
    outputPrice: '',
    service: null,
  },
  budget: { amount: '', window: 'month' },
  tier: null,
}

function Setup({ locked }: { readonly locked: string }): ReactNode {
  const [step, setStep] = useState(0)
  const [answers, setAnswers] = useState(noAnswers)
  const { finish, isBusy, failure, silent } = useFinish()
  const isLast = step === steps.length - 1
  const limit = microDollarsOf(answers.budget)
  // The kernel refuses a model without a price where money is limited.
  const lacksPrice = step > 0 && answers.model.kind === 'address' && limit !== 0 && priceOf(answers.model) === null
  const problem = step === 0 ? problemOfModel(answers.model) : limit === null ? 'amount' : lacksPrice ? 'price' : ''
  const leave = (): void => {
    dismissSetup()
    navigate('/')
  }
  const next = async (): Promise<void> => {
    if (!isLast) return setStep(step + 1)
    if (await finish(answers)) leave()
  }
  return (
    <Page title="Welcome to Oxbow" intro="Three questions, then you can talk to it. Everything can be changed later.">
      {locked !== '' && <NoticeBar tone="warn">{locked}</NoticeBar>}
      <Steps current={step} onGo={setStep} />
      <form
        className="card setup-card"
        onSubmit={(event) => {
          event.preventDefault()
          if (problem === '') void next()
        }}
      >
        {step === 0 && <ModelStep answer={answers.model} onChange={(model) => setAnswers({ ...answers, model })} />}
        {step === 1 && <BudgetStep answer={answers.budget} onChange={(budget) => setAnswers({ ...answers, budget })} />}
        {step === 2 && <TierStep tier={answers.tier} onChange={(tier) => setAnswers({ ...answers, tier })} />}
        {lacksPrice && (
          <ProblemLine
            failure={{ message: 'A budget in dollars needs the price of the model.', hint: 'Go back and name it; 0 if it costs nothing.' }}
          />
        )}
        <ProblemLine failure={failure} />
        {silent !== null && <SilentModel check={silent} onLeave={leave} />}
        <div className="setup-actions">
          <Button variant="quiet" onClick={leave}>
            Skip for now
          </Button>
          <span className="setup-gap" />
          {step > 0 && (
            <Button disabled={isBusy} onClick={() => setStep(step - 1)}>
              Back
            </Button>
          )}
          <Button type="submit" variant="primary" disabled={problem !== '' || locked !== ''} isBusy={isBusy}>
            {isLast ? 'Finish' : 'Continue'}
          </Button>
        </div>
      </form>
    </Page>
  )
}

function Steps({ current, onGo }: { readonly current: number; readonly onGo: (step: number) => void }): ReactNode {
  return (
    <ol className="setup-steps" aria-label="Steps">
      {steps.map((title, index) => (
        <li key={title} data-done={index < current || undefined} aria-current={index === current ? 'step' : undefined}>
          <button type="button" disabled={index >= current} onClick={() => onGo(index)}>
            <span className="setup-number" aria-hidden="true">
              {index < current ? <Check /> : index + 1}
            </span>
            {title}
          </button>
        </li>
      ))}
    </ol>
  )
}

/** The model is set up and does not answer: the key may be wrong, or the network is away. */
function SilentModel({ check, onLeave }: { readonly check: DoctorCheck; readonly onLeave: () => void }): ReactNode {
  return (
    <div className="setup-silent" role="alert">
      <p>
        It is saved, but the model may not answer: <WithCode text={`${check.says} ${check.fix}`} />
      </p>
      <Button size="s" onClick={onLeave}>
        Go on anyway
      </Button>
    </div>
  )
}

interface Finish {
  /** @returns whether all is saved and the model answers */
  readonly finish: (answers: Answers) => Promise<boolean>
  readonly isBusy: boolean
  readonly failure: ReturnType<typeof useApplyConfig>['failure']
  readonly silent: DoctorCheck | null
}

function useFinish(): Finish {
  const { client } = useGuest()
  const apply = useApplyConfig()
  const [isBusy, setBusy] = useState(false)
  const [silent, setSilent] = useState<DoctorCheck | null>(null)
  const saveAll = async ({ model, budget, tier }: Answers): Promise<boolean> => {
    const key = model.kind === 'offline' || model.kind === 'local' ? '' : model.key.trim()
    const saved = await apply.attempt(async () => {
      const choice = await sized(choiceOf(model))
      if (key !== '') {
        const name = keyNameOf(model.kind === 'address' ? 'openai' : model.provider)
        await callOf(client, 'secret.set', { name, value: key })
      }
      const limit = microDollarsOf(budget) ?? 0
      if (limit > 0) await callOf(client, 'budget.set', { scope: 'user', window: budget.window, micro_dollars: limit })
      const { hash } = await callOf(client, 'config.show', {})
      return { choice, hash }
    })
    if (saved === undefined) return false
    return (await apply.save({ changes: setupChanges({ model: saved.choice, tier }) }, saved.hash)) !== null && apply.restart()
  }
  /** An empty context window is asked of the service. */
  const sized = async (choice: ModelChoice): Promise<ModelChoice> => {
    if (choice.kind !== 'address' || choice.contextTokens !== null) return choice
    const { baseUrl, model } = choice
    const { contextTokens } = await callOf(client, 'model.probe', { base_url: baseUrl, model })
    return { ...choice, contextTokens }
  }
  const finish = async (answers: Answers): Promise<boolean> => {
    setBusy(true)
    setSilent(null)
    try {
      if (!(await saveAll(answers))) return false
      if (answers.model.kind === 'offline') return true
      const checks = await apply.attempt(async () => (await callOf(client, 'system.health', { part: 'model' })).checks)
      const missing = checks?.find(({ state }) => state !== 'ok') ?? null
      setSilent(missing)
      return checks !== undefined && missing === null
    } finally {
      setBusy(false)
    }
  }
  return { finish, isBusy, failure: apply.failure, silent }
}
