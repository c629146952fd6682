/** Definitions of agents and of graphs, and the runs of graphs. */
import type { ReactNode } from 'react'
import { navigate, type PageProps } from '../../app/router.tsx'
import { SayingPage } from '../../shelf/said.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { DefinitionsPanel } from './definitions-panel.tsx'
import { RunsPanel } from './runs-panel.tsx'

const tabs = [
  { name: 'agents', title: 'Agents' },
  { name: 'graphs', title: 'Graphs' },
  { name: 'runs', title: 'Runs of graphs' },
] as const

export default function DefinitionsPage({ place }: PageProps): ReactNode {
  const current = tabs.find(({ name }) => name === place.segments[1])?.name ?? 'agents'
  return (
    <SayingPage
      title="Definitions"
      intro="Agents that work is delegated to, and graphs of steps. Yours count; the workspace’s count when you have approved them."
    >
      <Tabs label="Definitions" tabs={tabs} current={current} onChange={(name) => navigate(`/definitions/${name}`)}>
        {current === 'runs' ? <RunsPanel place={place} /> : <DefinitionsPanel key={current} kind={current} place={place} />}
      </Tabs>
    </SayingPage>
  )
}
