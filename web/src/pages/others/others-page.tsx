/** Agents of others: those that speak A2A, reached over the network, and coding agents that speak ACP, which run here. */
import type { ReactNode } from 'react'
import { navigate, type PageProps } from '../../app/router.tsx'
import { SayingPage } from '../../shelf/said.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { CodersPanel } from './coders-panel.tsx'
import { RemotesPanel } from './remotes-panel.tsx'

const tabs = [
  { name: 'remotes', title: 'Remote agents' },
  { name: 'coders', title: 'Coding agents' },
] as const

export default function OthersPage({ place }: PageProps): ReactNode {
  const current = place.segments[1] === 'coders' ? 'coders' : 'remotes'
  return (
    <SayingPage
      title="Agents of others"
      intro="What others have made, and your agents may give tasks to, once you have approved each as it is."
    >
      <Tabs label="Agents of others" tabs={tabs} current={current} onChange={(name) => navigate(`/others/${name}`)}>
        {current === 'remotes' ? <RemotesPanel place={place} /> : <CodersPanel place={place} />}
      </Tabs>
    </SayingPage>
  )
}
