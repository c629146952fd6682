/** What the guest says of itself: its version, its sandbox, its store. */
import type { ReactNode } from 'react'
import { useGuest } from '../../data/guest.tsx'
import { Badge, Card, Facts, Page } from '../../ui/layout.tsx'
import { NoticeBar } from '../../ui/states.tsx'

export default function HealthPage(): ReactNode {
  const { status } = useGuest()
  const { sandbox } = status
  return (
    <Page title="Health" intro="What runs, where it keeps its data, and how far it is isolated.">
      {status.read_only !== null && <NoticeBar tone="bad">{`${status.read_only.message} ${status.read_only.hint}`}</NoticeBar>}
      {status.notice !== '' && <NoticeBar tone="info">{status.notice}</NoticeBar>}
      <Card title="Guest">
        <Facts
          facts={[
            ['Version', status.version],
            ['Model', <code key="model">{status.model}</code>],
            [
              'Sandbox',
              <Badge key="tier" tone={sandbox.tier === 'none' ? 'bad' : 'good'}>
                {sandbox.tier}
              </Badge>,
            ],
            ['Store', <code key="store">{status.store}</code>],
            ['Embedder', <code key="embedder">{status.embedder}</code>],
          ]}
        />
      </Card>
    </Page>
  )
}
