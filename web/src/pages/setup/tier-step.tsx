/** The third question: how far commands and files are isolated. What this machine can do is tried on request: it takes up to a minute. */
import { type ReactNode, useState } from 'react'
import type { DoctorCheck, SandboxTier } from '../../../../src/protocol/index.ts'
import { useAction } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { Button } from '../../ui/button.tsx'
import { Badge } from '../../ui/layout.tsx'
import { ProblemLine } from '../../ui/states.tsx'
import { Choice, type ChoiceOption } from './choice.tsx'

const tiers: readonly ChoiceOption<SandboxTier>[] = [
  { value: 'process', title: 'Namespaces', text: 'Starts in milliseconds. Commands see your workspace and nothing else of this machine.' },
  { value: 'container', title: 'Container', text: 'A separate file system and limits, by podman or docker.' },
  { value: 'micro_vm', title: 'Virtual machine', text: 'A kernel of its own: the strongest, and the slowest to start.' },
]

const tierChecks: Readonly<Record<SandboxTier, RegExp>> = { process: /^process/, container: /^container/, micro_vm: /^micro.?vm/ }

interface TierStepProps {
  readonly tier: SandboxTier | null
  readonly onChange: (tier: SandboxTier) => void
}

export function TierStep({ tier, onChange }: TierStepProps): ReactNode {
  const { status } = useGuest()
  const { run, isBusy, failure } = useAction()
  const [checks, setChecks] = useState<readonly DoctorCheck[] | null>(null)
  const now = tiers.find(({ value }) => value === status.sandbox.tier)?.value ?? null
  const chosen = tier ?? now
  const tryAll = async (): Promise<void> => setChecks((await run('system.health', { part: 'machine' }))?.checks ?? null)
  const options = tiers.map((option) => {
    const found = checks?.find(({ name }) => tierChecks[option.value].test(name))
    const isWorking = found === undefined ? option.value === now : found.state !== 'missing'
    const note =
      found === undefined && option.value !== now ? undefined : (
        <Badge tone={isWorking ? 'good' : 'warn'}>
          {isWorking ? (option.value === now ? 'in use' : 'works here') : 'needs setting up'}
        </Badge>
      )
    return { ...option, ...(note !== undefined && { note }), text: found?.state === 'missing' ? `${found.says} ${found.fix}` : option.text }
  })
  return (
    <>
      <Choice label="How far should agents be isolated?" options={options} value={chosen} onChange={onChange} />
      <div className="setup-row">
        <Button size="s" isBusy={isBusy} onClick={() => void tryAll()}>
          {isBusy ? 'Trying each; this takes up to a minute' : 'Try what this machine can do'}
        </Button>
      </div>
      <ProblemLine failure={failure} />
    </>
  )
}
