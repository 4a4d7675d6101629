//! The forms in which owners publish, with rows as they publish them.

use classifier::data::{CATALOGUE, DataError, DataSet, Name, Part, Shape};

/// So many more rows of the same kind, for those data sets that must have many.
fn rows(line: impl Fn(u32) -> String, count: u32, between: &str) -> String {
    (0..count).map(line).collect::<Vec<_>>().join(between)
}

fn block(number: u32) -> String {
    format!("198.{}.{}.0/24", 18 + number / 256, number % 256)
}

/// A good file of each data set, with the address that must be in it and one that must not.
fn good(name: Name) -> String {
    match name {
        Name::Asn => "192.0.2.0,192.0.2.255,64500,\"Example, Inc.\"\n2001:db8::,2001:db8::ffff,64501,Example\n".to_owned(),
        Name::Country => "192.0.2.0,192.0.2.255,DE\n2001:db8::,2001:db8::ffff,AT\n".to_owned(),
        Name::AppleRelay => rows(|n| format!("{},DE,DE-BE,Berlin,", block(n)), 1000, "\n") + "\n",
        Name::GoogleSpecialCrawlers | Name::GoogleUserTriggeredFetchers | Name::CloudGcp => format!(
            r#"{{"creationTime": "2026-05-31T22:00:41.000000","prefixes": [{{"ipv6Prefix": "2001:db8::/64"}},{}]}}"#,
            rows(|n| format!(r#"{{"ipv4Prefix": "{}","service":"Google Cloud","scope":"africa-south1"}}"#, block(n)), 60, ",")
        ),
        Name::MicrosoftFiltering | Name::MicrosoftMail => r#"[
            {"id":1,"serviceArea":"Exchange","urls":["outlook.cloud.microsoft"],"ips":["198.18.9.0/24","198.18.10.0/24","2001:db8:1::/48"],"tcpPorts":"80,443","expressRoute":true,"category":"Optimize","required":true},
            {"id":9,"serviceArea":"Exchange","urls":["*.protection.outlook.com"],"ips":["198.18.0.0/24","198.18.1.0/24"],"tcpPorts":"443"},
            {"id":10,"serviceArea":"Exchange","ips":["198.18.0.0/24","2001:db8::/48"],"tcpPorts":"25"},
            {"id":31,"serviceArea":"SharePoint","urls":["*.sharepoint.com"],"tcpPorts":"80,443"}]"#
            .to_owned(),
        Name::Zscaler => format!(
            r#"{{"hubPrefixes":[{},"2001:db8::/48"]}}"#,
            rows(|n| format!("\"{}\"", block(n)), 30, ",")
        ),
        Name::CloudAws => format!(
            r#"{{"syncToken":"1","createDate":"2026-10-20-21-03-09","prefixes":[{}],"ipv6_prefixes":[{{"ipv6_prefix":"2001:db8::/48","region":"eu-west-2","service":"AMAZON","network_border_group":"eu-west-2"}}]}}"#,
            rows(|n| format!(r#"{{"ip_prefix":"{}","region":"eu-west-2","service":"AMAZON"}}"#, block(n)), 600, ",")
        ),
        Name::CloudAzure => format!(
            r#"{{"changeNumber":1,"cloud":"Public","values":[{{"name":"AzureCloud","id":"AzureCloud","properties":{{"addressPrefixes":[{},"2001:db8::/48"]}}}},{{"name":"Sql","id":"Sql","properties":{{"addressPrefixes":["203.0.113.0/24"]}}}}]}}"#,
            rows(|n| format!("\"{}\"", block(n)), 600, ",")
        ),
        Name::CloudDigitalocean => {
            rows(|n| format!("{},NL,NL-NH,Amsterdam,1098 XH", block(n)), 60, "\n") + "\n2001:db8::/48,DE,DE-HE,Frankfurt,60341\n"
        }
        Name::CloudOracle => format!(
            r#"{{"last_updated_timestamp":"2026-10-19T18:02:33.000000","regions":[{{"region":"uk-london-1","cidrs":[{},{{"cidr":"2001:db8::/48","tags":["OCI"]}}]}}]}}"#,
            rows(|n| format!(r#"{{"cidr":"{}","tags":["OCI"]}}"#, block(n)), 60, ",")
        ),
    }
}

fn read_as(name: Name, shape: Shape, bytes: &[u8]) -> Result<DataSet, DataError> {
    DataSet::read(name, &[Part { shape, bytes }], "a test", "2026-11-02")
}

fn read(name: Name, text: &str) -> Result<DataSet, DataError> {
    read_as(name, name.entry().shape, text.as_bytes())
}

#[test]
fn every_published_form_is_read_and_comes_back_from_its_compact_form() {
    for entry in CATALOGUE {
        let set =
            read(entry.name, &good(entry.name)).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
        assert!(set.about().rows >= entry.least, "{}", entry.name);
        let dated =
            ["2026-05-31", "2026-10-20", "2026-10-19", "2026-11-02"].contains(&set.about().date.as_str());
        assert!(dated, "{}: {}", entry.name, set.about().date);
        let back = DataSet::from_bytes(&set.to_bytes()).unwrap();
        assert_eq!((back.about(), back.hash(), back.to_bytes()), (set.about(), set.hash(), set.to_bytes()));
    }
    assert_eq!(read(Name::CloudGcp, &good(Name::CloudGcp)).unwrap().about().date, "2026-05-31");
    assert_eq!(read(Name::CloudAws, &good(Name::CloudAws)).unwrap().about().date, "2026-10-20");
    assert_eq!(read(Name::MicrosoftFiltering, &good(Name::MicrosoftFiltering)).unwrap().about().rows, 4);
    assert_eq!(read(Name::MicrosoftMail, &good(Name::MicrosoftMail)).unwrap().about().rows, 3);
    assert_eq!(read(Name::CloudAzure, &good(Name::CloudAzure)).unwrap().about().rows, 601);
}

#[test]
fn a_text_that_is_cut_off_anywhere_is_refused() {
    for entry in CATALOGUE {
        let text = good(entry.name);
        // At every place of a short one, at some of a long one; only a cut between two lines of a table can't be seen.
        for cut in (0..text.len()).step_by(1 + text.len() / 300) {
            let short = &text[..cut];
            let lines = matches!(
                entry.shape,
                Shape::Systems | Shape::Countries | Shape::AppleEgress | Shape::Geofeed | Shape::List
            );
            if lines && short.ends_with('\n') {
                continue;
            }
            assert!(read(entry.name, short).is_err(), "{} cut at {cut}", entry.name);
        }
    }
}

#[test]
fn a_damaged_line_is_named() {
    let line = |text: &str| match read(Name::Asn, text).unwrap_err() {
        DataError::Line { line, reason } => (line, reason),
        other => panic!("{other}"),
    };
    assert_eq!(line("192.0.2.0,192.0.2.255,64500,A\nnot an address\n").0, 2);
    assert_eq!(line("192.0.2.0,192.0.2.255,64500,A\n\n192.0.2.9,192.0.2.1,1,B\n").0, 3);
    assert!(line("192.0.2.0,192.0.2.255,AS1,A\n").1.contains("AS1"));
    assert!(line("192.0.2.0,2001:db8::1,1,A\n").1.contains("no range"));
    assert!(line("192.0.2.0,192.0.2.255\n").1.contains("value"));
    assert_eq!(line("<html>\n<title>Moved</title>\n").0, 1);
    let wide = read(Name::CloudGcp, &good(Name::CloudGcp).replace("198.18.5.0/24", "0.0.0.0/0")).unwrap_err();
    assert!(wide.to_string().contains("wider"), "{wide}");
    let country = read(Name::Country, "192.0.2.0,192.0.2.255,de\n").unwrap_err();
    assert!(country.to_string().contains("two letters"), "{country}");
    assert!(read(Name::Zscaler, "{\n\"hubPrefixes\": [3]}").unwrap_err().to_string().starts_with("line 2"));
    assert!(matches!(read_as(Name::Asn, Shape::Mmdb, b"no database"), Err(DataError::Shape(_))));
}

#[test]
fn too_few_rows_and_far_fewer_than_before_are_refused() {
    let empty = read(Name::Zscaler, r#"{"hubPrefixes":[]}"#).unwrap_err();
    assert_eq!(empty, DataError::Few { rows: 0, least: 20 });
    let whole = read(Name::CloudAws, &good(Name::CloudAws)).unwrap();
    let mut last = whole.about().clone();
    assert_eq!(whole.replaces(&last), Ok(()));
    last.rows = whole.about().rows * 2;
    assert_eq!(whole.replaces(&last), Ok(()));
    last.rows += 1;
    assert_eq!(whole.replaces(&last), Err(DataError::Shrunken { rows: whole.about().rows, last: last.rows }));
}

#[test]
fn a_compact_file_that_was_changed_anywhere_is_refused() {
    let bytes = read(Name::Asn, &good(Name::Asn)).unwrap().to_bytes();
    let body = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for place in body..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert!(DataSet::from_bytes(&changed).is_err(), "byte {place}");
    }
    for cut in 0..bytes.len() {
        assert!(DataSet::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let newer =
        String::from_utf8_lossy(&bytes[..body]).replace("\"trueopen_data_set\":1", "\"trueopen_data_set\":2");
    let newer = [newer.as_bytes(), &bytes[body..]].concat();
    assert!(DataSet::from_bytes(&newer).unwrap_err().to_string().contains("version"));
}
