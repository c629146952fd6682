/** Programs: workflows of calls with declared rights, and their runs. */
import type { ReactNode } from 'react'
import { navigate, type PageProps } from '../../app/router.tsx'
import { SayingPage } from '../../shelf/said.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { ProgramRuns } from './program-runs.tsx'
import { ProgramsPanel } from './programs-panel.tsx'

const tabs = [
  { name: 'programs', title: 'Programs' },
  { name: 'runs', title: 'Runs' },
] as const

export default function WorkflowsPage({ place }: PageProps): ReactNode {
  const current = tabs.find(({ name }) => name === place.segments[1])?.name ?? 'programs'
  return (
    <SayingPage title="Workflows" intro="Programs that compose calls. Each says beforehand which rights it needs, and can do nothing else.">
      <Tabs label="Workflows" tabs={tabs} current={current} onChange={(name) => navigate(`/workflows/${name}`)}>
        {current === 'runs' ? <ProgramRuns place={place} /> : <ProgramsPanel place={place} />}
      </Tabs>
    </SayingPage>
  )
}
