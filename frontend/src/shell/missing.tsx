import { Button } from '@mantine/core'
import { IconMapOff } from '@tabler/icons-react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { Page } from '../ui/page'
import { Empty } from '../ui/states'

// Missing answers an address that leads nowhere.
export function Missing() {
  const { t } = useTranslation()
  return (
    <Page title={t('shell.missing.title')}>
      <Empty
        icon={<IconMapOff size={26} />}
        text={t('shell.missing.text')}
        action={
          <Button component={Link} to="/">
            {t('shell.missing.home')}
          </Button>
        }
      />
    </Page>
  )
}
