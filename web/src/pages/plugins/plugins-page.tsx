/** Plugins: what each is, who approved it, its rights, what it has, why one does not run; install, update, turn off, remove. */
import { Blocks, FilePlus, Plus } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import type { PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { SayingPage } from '../../shelf/said.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/states.tsx'
import { NewPlugin } from './author-dialogs.tsx'
import { InstallPlugin } from './install-plugin.tsx'
import { type Installed, PluginThing } from './plugin-thing.tsx'

type Running = OutputOf<'plugin.list'>['plugins'][number]

/** Hosts of plugins start and end without an event. */
const listEveryMs = 10_000

export default function PluginsPage({ place }: PageProps): ReactNode {
  const installed = useCall('plugin.installed', {}, { refreshOn: ['plugin_*'], everyMs: listEveryMs })
  // Without a plugin that is on, a guest does not have this call, and each refusal would be in the journal.
  const running = useCall(
    'plugin.list',
    {},
    { everyMs: listEveryMs, skip: installed.data?.plugins.some(({ enabled }) => enabled) !== true },
  )
  const [source, setSource] = useState<string | null>(null)
  const [isMaking, setMaking] = useState(false)
  const refresh = (): void => {
    installed.refresh()
    running.refresh()
  }
  const hostOf = (name: string): Running | undefined => running.data?.plugins.find(({ plugin }) => plugin === name)
  return (
    <SayingPage
      title="Plugins"
      intro="Programs of others that add actions, providers, models and more. Each runs in a sandbox, with the rights that you approved, and no others."
      actions={
        <>
          <Button icon={<FilePlus />} onClick={() => setMaking(true)}>
            New plugin
          </Button>
          <Button variant="primary" icon={<Plus />} onClick={() => setSource('')}>
            Install a plugin
          </Button>
        </>
      }
    >
      <Shelf
        place={place}
        page="/plugins"
        label="Plugins"
        noun="plugin"
        call={installed}
        entries={installed.data?.plugins.map((plugin) => ({
          id: plugin.plugin,
          title: `${plugin.plugin} ${plugin.version}`,
          note: plugin.problem === '' ? plugin.description : plugin.problem,
          state: stateOf(plugin, hostOf(plugin.plugin)),
        }))}
        empty={
          <Empty title="There is no plugin." icon={<Blocks />}>
            One comes from a folder of this machine, a tarball, or npm. You see its files and its rights before anything is installed.
          </Empty>
        }
      >
        {(id) => {
          const shown = installed.data!.plugins.find(({ plugin }) => plugin === id)!
          return <PluginThing shown={shown} state={stateOf(shown, hostOf(id))} refresh={refresh} onUpdate={setSource} />
        }}
      </Shelf>
      <NewPlugin isOpen={isMaking} onClose={() => setMaking(false)} onMade={setSource} />
      <InstallPlugin key={source} source={source} onClose={() => setSource(null)} onDone={refresh} />
    </SayingPage>
  )
}

function stateOf({ enabled, problem }: Installed, host: Running | undefined): Entry['state'] {
  if (!enabled) return ['off', 'neutral']
  if (problem !== '') return ['not loaded', 'bad']
  if (host === undefined) return ['on', 'neutral']
  if (host.problem !== '') return [host.phase === 'disabled' ? 'given up' : 'failed', 'bad']
  return host.phase === 'running' ? ['running', 'good'] : ['on', 'good']
}
