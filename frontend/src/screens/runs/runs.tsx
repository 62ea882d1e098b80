import { Button } from '@mantine/core'
import { IconChartDots3 } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { api } from '../../api/endpoints'
import { k } from '../../api/queries'
import { Page } from '../../ui/page'
import { Empty, View } from '../../ui/states'
import { RunTable } from './run-table'

// Runs lists every training this party knows.
export function Runs() {
  const { t } = useTranslation()
  const runs = useQuery({ queryKey: k.runs({ limit: 5000 }), queryFn: () => api.runs({ limit: 5000 }) })
  return (
    <Page title={t('runs.title')} sub={t('runs.sub')}>
      <View
        query={runs}
        empty={(d) =>
          d.length === 0 && (
            <Empty
              icon={<IconChartDots3 size={26} />}
              text={t('runs.empty')}
              action={
                <Button component={Link} to="/projects">
                  {t('runs.toProjects')}
                </Button>
              }
            />
          )
        }
      >
        {(d) => <RunTable runs={d} showProject />}
      </View>
    </Page>
  )
}
