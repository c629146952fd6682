/** Agents and models: who works, what each may do, which models there are, and which of them answers. */
import type { ReactNode } from 'react'
import { navigate, type PageProps } from '../../app/router.tsx'
import { Page } from '../../ui/layout.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { AgentsPanel } from './agents-panel.tsx'
import { ModelsPanel } from './models-panel.tsx'
import { ServicesPanel } from './services-panel.tsx'
import './models.css'

const tabs = [
  { name: 'models', title: 'Models' },
  { name: 'services', title: 'Services and keys' },
  { name: 'agents', title: 'Agents and roles' },
] as const

export default function ModelsPage({ place }: PageProps): ReactNode {
  const current = tabs.find(({ name }) => name === place.segments[1])?.name ?? 'models'
  return (
    <Page title="Agents and models" intro="Who works for you, what each may do, and which model answers.">
      <Tabs
        label="Agents and models"
        tabs={tabs}
        current={current}
        onChange={(name) => navigate(name === 'models' ? '/models' : `/models/${name}`)}
      >
        {current === 'models' && <ModelsPanel />}
        {current === 'services' && <ServicesPanel />}
        {current === 'agents' && <AgentsPanel />}
      </Tabs>
    </Page>
  )
}
