//! What every service needs of ClickHouse: the connection, migrations, and accounts with their keys and settings.
